"""The webhook plugin keeps the contract of all sinks, towards a real HTTP receiver that checks what it gets."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

from aiohttp import web
from standardwebhooks import Webhook
from twilio.request_validator import RequestValidator
from typing_extensions import override

from eventstreams.testing import Ability, Arrival, Destination, SinkContract
from eventstreams.testing.receiver import Answer, Received, Receiver

_ANSWERS_FOR_ALL = "one answer counts for the whole request"
_NO_LIMIT = "how large a request may be is the receiver's to say"


class WebhookReceiver(Destination):
    """Takes what has the right password, key and signatures, as a careful receiver does."""

    config: dict[str, object]
    secrets: tuple[str, ...]

    def __init__(self, receiver: Receiver, *, all_options: bool) -> None:
        self._receiver = receiver
        self._all_options = all_options
        self._taken: list[Received] = []
        self._held = asyncio.Event()
        self._use(password="old p@ssword", token="signing-token-before", key="key-before")
        receiver.answer = self._take

    def _use(self, *, password: str, token: str, key: str) -> None:
        spelled = password.replace("@", "%40").replace(" ", "%20")
        encoded = base64.b64encode(f"user:{password}".encode()).decode()
        self.config = {"destination": self._receiver.url.replace("http://", f"http://user:{spelled}@")}
        self._authorization = f"Basic {encoded}"
        self._key = key if self._all_options else None
        secret = f"whsec_{base64.b64encode(key.ljust(32).encode()).decode()}"
        self._webhook = Webhook(secret) if self._all_options else None
        self.secrets = (password, spelled, encoded)
        if self._all_options:
            self.config |= {
                "batch_events": True,
                "headers": {"X-Key": key},
                "standard_webhooks": {"secret": secret},
            }
            self.secrets += (key, secret)
        self.signing_tokens = (token,)

    def _take(self, received: Received) -> int:
        validator = RequestValidator(self.signing_tokens[0])
        if received.headers.get("Authorization") != self._authorization:
            return 401
        if not validator.validate(received.url, received.body.decode(), received.headers["X-Twilio-Signature"]):
            return 403
        if received.headers.get("X-Key") != self._key:
            return 403
        if self._webhook is not None:
            self._webhook.verify(received.body, dict(received.headers))
        self._taken.append(received)
        return 200

    @override
    async def arrived(self) -> Sequence[Arrival]:
        return [Arrival(str(event["id"]), event) for received in self._taken for event in received.events]

    @override
    async def heal(self) -> None:
        self._receiver.answer = self._take
        self._held.set()

    @override
    async def go_down(self) -> None:
        self._receiver.answer = lambda _: 503

    @override
    async def babble(self) -> None:
        self._receiver.answer = lambda _: web.Response(status=777, reason="Lucky", body=b"\xff\x00" * 100_000)

    @override
    async def hang(self) -> asyncio.Event:
        reached, self._held = asyncio.Event(), asyncio.Event()

        async def hold(_: Received) -> Answer:
            reached.set()
            await self._held.wait()
            return 503

        self._receiver.answer = hold
        return reached

    @override
    async def rotate(self) -> None:
        self._use(password="new p@ssword", token="signing-token-after", key="key-after")


class TestWebhook(SinkContract):
    sink_type = "webhook"
    cannot: ClassVar[Mapping[Ability, str]] = {
        "refuse": _ANSWERS_FOR_ALL,
        "defer": _ANSWERS_FOR_ALL,
        "too_large": _NO_LIMIT,
    }
    all_options: ClassVar[bool] = False

    @override
    @asynccontextmanager
    async def destination(self) -> AsyncIterator[Destination]:
        async with Receiver() as receiver:
            yield WebhookReceiver(receiver, all_options=self.all_options)


class TestWebhookWithAllOptions(TestWebhook):
    """In batches, with a key of its own in a header, and signed in both ways."""

    all_options = True
