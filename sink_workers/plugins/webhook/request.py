"""Builds the request that carries a batch. Pure, so that what is signed and what is sent can be tested together."""

import base64
from collections.abc import Sequence
from datetime import datetime

from eventstreams.sinks import OutboundEvent, SinkContext
from sink_workers.plugins.webhook.client import HttpRequest, lines_of
from sink_workers.plugins.webhook.config import WebhookConfig
from sink_workers.plugins.webhook.signature import HEADER, signed_url, signer
from sink_workers.plugins.webhook.standard_webhooks import SIGNATURE, Signer


class RequestBuilder:
    """Builds the requests of one sink. What is the same in all of them is computed once."""

    def __init__(self, config: WebhookConfig, context: SinkContext) -> None:
        """Prepare what all requests share.

        Raises:
            ValueError: the configuration asks for Standard Webhooks signatures but has no secret.
        """
        self._method = config.method.upper()
        self._url = config.url
        self._sign = signer(context.signing_tokens[0])
        self._signer = None if config.standard_webhooks is None else Signer(config.standard_webhooks)
        given = {name: value.get_secret_value() for name, value in config.headers.items()}
        self._headers = _with_defaults(given, {"Content-Type": "application/json", "User-Agent": context.user_agent})
        self._secrets = [*given.values()]
        if config.credentials is not None:
            pair = base64.b64encode(":".join(config.credentials).encode()).decode()
            self._headers["Authorization"] = f"Basic {pair}"
            self._secrets += [pair, *config.credentials]
        self._lines = lines_of(self._headers)

    def build(self, batch: Sequence[OutboundEvent], now: datetime, *, access_token: str | None = None) -> HttpRequest:
        """A request with ``batch`` as a JSON array of CloudEvents, even for a single event.

        Args:
            batch: The events; may be empty.
            now: The time that signatures name, timezone-aware.
            access_token: Sent as Bearer authorization, if given.
        """
        body = b"[" + b",".join([event.json() for event in batch]) + b"]"
        url = signed_url(self._url, body)
        signature = self._sign(url)
        headers = {**self._headers, HEADER: signature}
        if self._signer is None and access_token is None:
            return HttpRequest(self._method, url, headers, body, f"{self._lines}{HEADER}: {signature}\r\n")
        if self._signer is not None:
            headers |= self._signer.headers([event.id for event in batch], body, now)
        if access_token is not None:
            headers["Authorization"] = f"Bearer {access_token}"
        return HttpRequest(self._method, url, headers, body)

    def secrets(self, request: HttpRequest, *, access_token: str | None = None) -> Sequence[str]:
        """The secrets of ``request`` that must be removed from an answer before it is shown."""
        signatures = request.headers.get(SIGNATURE, "").split()
        found = [*self._secrets, request.headers[HEADER], *signatures, access_token]
        return [each for each in found if each]


def _with_defaults(given: dict[str, str], defaults: dict[str, str]) -> dict[str, str]:
    """``given``, plus those of ``defaults`` that it does not have, regardless of case."""
    names = {name.lower() for name in given}
    return {**{name: value for name, value in defaults.items() if name.lower() not in names}, **given}
