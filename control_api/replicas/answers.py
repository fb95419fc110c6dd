"""Remembers the answers to requests that wrote something, so that a repeated request is not carried out again.

They are on a topic of their own, each written in the same transaction as the request's writes, and encrypted, because
an answer may contain a secret that is shown only once. Every API process follows the topic, as any may be the next
primary.
"""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, Self

import orjson
from aiohttp import hdrs, web
from pydantic import TypeAdapter, ValidationError

from control_api.replicas.answer_cache import AnswerCache, CachedAnswer, RequestName, is_old
from eventstreams.control.vault import Purpose, Vault
from eventstreams.kafka.follower import PartitionFollower
from eventstreams.kafka.records import Record
from eventstreams.kafka.transaction import Outgoing
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from eventstreams.times import Clock
from eventstreams.topics import Topics

_MOST_ANSWER: Final = 512 << 10  # bytes of one, encrypted: no answer to a write has a tenth of that
_KEPT: Final = (hdrs.CONTENT_TYPE, hdrs.CACHE_CONTROL, hdrs.LOCATION)

_log = get_logger(__name__)


_RECORD: Final = TypeAdapter(CachedAnswer)


class AnotherRequestError(Exception):
    """The key was used for another request."""


class Answers:
    """The answers of the last day, within bounds; the oldest are dropped first. Use as ``async with``."""

    def __init__(
        self, settings: Settings, vault: Vault, *, clock: Clock, on_crash: Callable[[BaseException], None]
    ) -> None:
        self._topic = Topics(settings).answers
        self._vault = vault
        self._clock = clock
        self._cache = AnswerCache()
        self._follower = PartitionFollower(
            settings, self._topic, on_records=self._apply, on_crash=on_crash, committed_end=True
        )
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._follower)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def catch_up(self) -> None:
        """Return once every answer that was given before this call is known."""
        await self._follower.catch_up()

    @property
    def position(self) -> int:
        """The offset below which every answer is known."""
        return self._follower.position

    async def wait_until(self, offset: int) -> None:
        """Return once all answers below ``offset`` are known."""
        await self._follower.wait_until(offset)

    def find(self, name: RequestName) -> web.Response | None:
        """The answer to the request ``name``; None if it was not carried out, or too long ago.

        Raises:
            AnotherRequestError: the key was used for another request.
            SettingsError: the vault has no key that decrypts it.
        """
        kept = self._cache.find(name.key, now_ms=self._clock())
        if kept is None:
            return None
        if kept.content != name.content:
            raise AnotherRequestError
        found = orjson.loads(self._vault.unlock(kept.answer, Purpose.ANSWER, name.key))
        return web.Response(status=found["status"], headers=found["headers"], body=found["body"].encode())

    def record(self, name: RequestName, answer: web.Response) -> Outgoing | None:
        """The record that remembers ``answer`` to the request ``name``; None if it is too large or not text."""
        body = answer.body if isinstance(answer.body, bytes | bytearray) else b""
        headers = {str(each): answer.headers[each] for each in _KEPT if each in answer.headers}
        try:
            told = orjson.dumps({"status": answer.status, "headers": headers, "body": body.decode()}).decode()
        except UnicodeDecodeError:
            return None
        locked = self._vault.lock(told, Purpose.ANSWER, name.key)
        if len(locked) > _MOST_ANSWER:
            _log.warning("answer.too_large", size=len(locked), follows="writes that are still pending are refused")
            return None
        kept = CachedAnswer(owner=name.owner, content=name.content, answer=locked)
        return Outgoing(self._topic, orjson.dumps(kept), name.key.encode())

    def _apply(self, records: Sequence[Record]) -> None:
        now_ms = self._clock()
        for record in records:
            key = (record.key or b"").decode(errors="replace")
            if is_old(key, record.timestamp_ms, now_ms):
                continue  # most records at the start of a process are old, so they are not even parsed
            try:
                kept = _RECORD.validate_json(record.value)
            except ValidationError:
                _log.warning("answer.record_skipped", offset=record.offset)
                continue
            self._cache.put(key, kept, at_ms=record.timestamp_ms, now_ms=now_ms)
