"""The webhook sink: builds requests, sends them and judges the answers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from aiohttp.abc import AbstractResolver

from eventstreams.sinks import (
    Capabilities,
    Delivered,
    DeliveryOutcome,
    OutboundEvent,
    RetryLater,
    SigningSecrets,
    SinkContext,
    SinkPlugin,
)
from sink_workers.plugins.tls import client_context
from sink_workers.plugins.webhook import rotation
from sink_workers.plugins.webhook.answer import excerpt
from sink_workers.plugins.webhook.client import MAX_IN_FLIGHT, TIMEOUT_S, Answer, HttpClient, HttpRequest
from sink_workers.plugins.webhook.config import WebhookConfig, public
from sink_workers.plugins.webhook.judge import OK, judge
from sink_workers.plugins.webhook.oauth import Token, TokenSource
from sink_workers.plugins.webhook.request import RequestBuilder

_HUNG_S: Final = TIMEOUT_S + 3.0  # longer, so that a slow receiver is distinguished from a hung plugin
_HUNG_WITH_TOKENS_S: Final = 4 * TIMEOUT_S + 3.0  # a token and a request, and after a 401 both again


class WebhookSink:
    """Delivers to one destination."""

    def __init__(self, builder: RequestBuilder, client: HttpClient, tokens: TokenSource | None) -> None:
        self._builder = builder
        self._client = client
        self._tokens = tokens

    async def deliver(self, batch: Sequence[OutboundEvent]) -> Sequence[DeliveryOutcome]:
        """Send one request, whose answer counts for every event of ``batch``."""
        if self._tokens is not None:
            return [await self._with_token(batch, self._tokens)] * len(batch)
        request = self._builder.build(batch, datetime.now(UTC))
        answer = await self._client.exchange(request)  # called directly: each coroutine in between costs every event
        return [self._judged(request, answer, len(batch))] * len(batch)

    async def probe(self) -> DeliveryOutcome:
        """Send an empty array: a receiver that iterates over it does nothing."""
        if self._tokens is not None:
            return await self._with_token((), self._tokens)
        request = self._builder.build((), datetime.now(UTC))
        return self._judged(request, await self._client.exchange(request), 0)

    async def aclose(self) -> None:
        if self._tokens is not None:
            await self._tokens.aclose()
        await self._client.aclose()

    async def _with_token(self, batch: Sequence[OutboundEvent], tokens: TokenSource) -> DeliveryOutcome:
        token = await tokens.token()
        if isinstance(token, RetryLater):
            return token
        outcome = await self._send(batch, token)
        if outcome.status != HTTPStatus.UNAUTHORIZED:
            return outcome
        other = await tokens.token(refused=token)
        if isinstance(other, RetryLater):
            return other
        return outcome if other == token else await self._send(batch, other)

    async def _send(self, batch: Sequence[OutboundEvent], token: Token) -> DeliveryOutcome:
        request = self._builder.build(batch, datetime.now(UTC), access_token=token.value)
        return self._judged(request, await self._client.exchange(request), len(batch), access_token=token.value)

    def _judged(
        self, request: HttpRequest, answer: Answer | RetryLater, events: int, *, access_token: str | None = None
    ) -> DeliveryOutcome:
        """The outcome of each event of ``request``; ``events`` is their number."""
        if isinstance(answer, RetryLater):
            return answer
        if answer.status in OK:  # as in ``judge``, but without computing its other arguments
            return Delivered(answer.status)
        return judge(
            answer.status,
            retry_after=answer.retry_after,
            answer=excerpt(answer.body, self._builder.secrets(request, access_token=access_token)),
            events=events,
            now=datetime.now(UTC),
        )


async def open_sink(
    config: WebhookConfig, context: SinkContext, *, resolver: AbstractResolver | None = None
) -> WebhookSink:
    """Create the sink; it connects at the first delivery.

    Args:
        config: The sink's configuration.
        context: What the worker provides.
        resolver: Resolves host names; None: the system's.
    """
    builder = RequestBuilder(config, context)
    tls = None
    if config.client_certificate is not None or config.ca_certificate is not None:
        tls = await client_context(config.ca_certificate, config.client_certificate, config.client_key)
    client = HttpClient(context.guard, tls=tls, resolver=resolver)
    tokens = None if config.oauth2 is None else TokenSource(config.oauth2, client, user_agent=context.user_agent)
    return WebhookSink(builder, client, tokens)


def _capabilities(config: WebhookConfig) -> Capabilities:
    timeout_s = _HUNG_S if config.oauth2 is None else _HUNG_WITH_TOKENS_S
    if not config.batch_events:
        return Capabilities(timeout_s=timeout_s, max_in_flight=MAX_IN_FLIGHT)
    return Capabilities(
        timeout_s=timeout_s,
        max_in_flight=MAX_IN_FLIGHT,
        max_batch_events=config.batch_max_events,
        max_batch_bytes=config.batch_max_bytes - config.batch_max_events - 1,  # brackets and commas
        linger_s=config.batch_linger_ms / 1000,
    )


PLUGIN: Final = SinkPlugin(
    sink_type="webhook",
    summary="Signed HTTP requests to a URL of yours.",
    config=WebhookConfig,
    capabilities=_capabilities,
    public=public,
    open=open_sink,
    signing=SigningSecrets(show=rotation.show, create=rotation.create, rotate=rotation.rotate),
)
