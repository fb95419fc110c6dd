"""The request that carries a batch: pure, so that what is signed and what is sent can be tested together."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eventstreams.sinks import OutboundEvent, SinkContext
from sink_workers.plugins.webhook.config import WebhookConfig
from sink_workers.plugins.webhook.signature import HEADER, signature, signed_url


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One request, ready to send; ``url`` must go on the wire as it is spelled here."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class RequestBuilder:
    """Builds the requests of one sink."""

    def __init__(self, config: WebhookConfig, context: SinkContext) -> None:
        self._method = config.method.upper()
        self._url = str(config.url)
        self._token = context.signing_tokens[0]
        self._headers = {"Content-Type": "application/json", "User-Agent": context.user_agent}
        if config.credentials is not None:
            pair = ":".join(config.credentials).encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def build(self, batch: Sequence[OutboundEvent]) -> WebhookRequest:
        """A request with ``batch`` as a JSON array of CloudEvents; an array also where it is one event."""
        body = b"[" + b",".join(event.json() for event in batch) + b"]"
        url = signed_url(self._url, body)
        return WebhookRequest(self._method, url, {**self._headers, HEADER: signature(url, self._token)}, body)
