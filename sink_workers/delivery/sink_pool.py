"""The sinks that are open in this worker, by sink SID.

A sink is opened at first use, and again when anything it was made from changes. One that was replaced or deleted is
closed once no delivery uses it any more.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Final, Self

from pydantic import BaseModel

from eventstreams import __version__
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Account, SinkRecord
from eventstreams.control.snapshot import Change
from eventstreams.control.vault import Purpose, Vault
from eventstreams.reasons import RetryReason
from eventstreams.sinks import Capabilities, DestinationGuard, MailServer, RetryLater, Sink, SinkContext
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.sinks.secret_texts import Secrets, no_secrets, secrets_of, texts_of
from eventstreams.telemetry.concealing import concealing
from eventstreams.telemetry.logging import get_logger
from eventstreams.time_limits import OverdueError, is_cancelled, within
from eventstreams.times import Clock, now_ms

_USER_AGENT: Final = f"eventstreams/{__version__}"
_CLOSE_S: Final = 2.0  # a plugin that hangs must not delay the end of the process

_log = get_logger(__name__)


@dataclass(slots=True)
class OpenSink:
    """An open sink and what it was made from.

    Attributes:
        sink: The plugin's sink.
        capabilities: How the worker may use it.
        made_from: The encrypted configuration and account tokens; when they change, the sink is replaced.
        seen: The sink record and account that ``made_from`` was last compared with, so that identical objects need no
            comparison. None while a promotion is planned: then the tokens change with time alone.
        secrets: Texts that must not be logged.
        users: The number of deliveries under way.
        replaced: Whether it is to be closed when its last user gives it back.
    """

    sink: Sink
    capabilities: Capabilities
    made_from: tuple[str, ...]
    seen: tuple[SinkRecord, Account] | None = None
    secrets: Secrets = no_secrets
    users: int = 0
    replaced: bool = False


@dataclass(slots=True)
class _Door:
    """Held while a sink is opened, by one delivery at a time.

    Attributes:
        failures: How often opening it has failed.
        failed_with: What the last one was made from, and the outcome.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    failures: int = 0
    failed_with: tuple[tuple[str, ...], RetryLater] | None = None


class SinkPool:
    """Opens, shares and closes sinks. Use as ``async with``."""

    def __init__(
        self,
        plugin: AnySinkPlugin,
        feed: ControlFeed,
        vault: Vault,
        guard: DestinationGuard,
        *,
        mail: MailServer | None = None,
        clock: Clock = now_ms,
    ) -> None:
        self._clock = clock
        self._plugin = plugin
        self._feed = feed
        self._vault = vault
        self._guard = guard
        self._mail = mail
        self._open: dict[str, OpenSink] = {}
        self._doors: dict[str, _Door] = {}
        self._closing: set[asyncio.Task[None]] = set()
        feed.listen(self._on_change)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for sink_sid in list(self._open):
            self._retire(sink_sid)
        if self._closing:
            await asyncio.wait(self._closing, timeout=_CLOSE_S)

    def capabilities(self, sink_sid: str) -> Capabilities | None:
        """The sink's capabilities, or None if it is not open."""
        opened = self._open.get(sink_sid)
        return None if opened is None else opened.capabilities

    async def take(self, sink_sid: str) -> OpenSink | RetryLater:
        """The sink as it is configured now, kept open until it is given back; or why it cannot be opened now."""
        opened = self.take_open(sink_sid)
        if opened is not None:
            return opened
        found = await self._current(sink_sid)
        if isinstance(found, OpenSink):
            found.users += 1
        return found

    def take_open(self, sink_sid: str) -> OpenSink | None:
        """Like ``take``, but without waiting: None if the sink is not open in its present configuration."""
        opened, record = self._open.get(sink_sid), self._feed.snapshot.sinks.get(sink_sid)
        account = None if record is None else self._feed.snapshot.accounts.get(record.account_sid)
        if opened is None or record is None or account is None:
            return None
        seen = opened.seen
        if seen is None or seen[0] is not record or seen[1] is not account:
            if opened.made_from != (record.configuration, *account.tokens(self._clock())):
                return None
            opened.seen = None if account.promote_at_ms is not None else (record, account)
        opened.users += 1
        return opened

    def give_back(self, opened: OpenSink) -> None:
        """Return a sink that was taken. If it was replaced and has no other users, it is closed."""
        opened.users -= 1
        if opened.replaced and not opened.users:
            self._close(opened)

    async def _current(self, sink_sid: str) -> OpenSink | RetryLater:
        door = self._doors.setdefault(sink_sid, _Door())
        before = door.failures
        async with door.lock:
            # Looked up now: while somebody else was opening it, its configuration may have changed.
            snapshot = self._feed.snapshot
            record = snapshot.sinks.get(sink_sid)
            account = None if record is None else snapshot.accounts.get(record.account_sid)
            if record is None or account is None:
                self._doors.pop(sink_sid, None)
                return RetryLater(RetryReason.SINK_UNUSABLE, "its sink or account does not exist")
            tokens = account.tokens(self._clock())  # a promotion that is due has no record of its own
            made_from = (record.configuration, *tokens)
            opened = self._open.get(sink_sid)
            if opened is not None and opened.made_from == made_from:
                return opened
            # A failure counts for all that waited for it: one after another, each would wait as long as it took.
            if door.failed_with is not None and door.failures > before and door.failed_with[0] == made_from:
                return door.failed_with[1]
            found = await self._replace(record, tokens)
            if isinstance(found, RetryLater):
                door.failures, door.failed_with = door.failures + 1, (made_from, found)
            return found

    async def _replace(self, record: SinkRecord, tokens: Sequence[str]) -> OpenSink | RetryLater:
        secrets: Secrets = no_secrets
        try:
            given = self._vault.unlock(record.configuration, Purpose.SINK_CONFIGURATION, record.sid)
            secrets = partial(texts_of, given)
            config = self._plugin.config.model_validate_json(given)
            context = SinkContext(
                sink_sid=record.sid,
                account_sid=record.account_sid,
                signing_tokens=tuple(
                    self._vault.unlock(token, Purpose.AUTH_TOKEN, record.account_sid) for token in tokens
                ),
                guard=self._guard,
                user_agent=_USER_AGENT,
                mail=self._mail,
            )
            secrets = partial(secrets_of, self._plugin, config, context)
            capabilities = self._plugin.capabilities(config)
            # Bounded, because a retry lane waits for it with events of other sinks.
            sink = await within(_opened(self._plugin, config, context), timeout_s=capabilities.timeout_s)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # the seam to foreign code: it is logged, and the events are kept
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise
            return _unusable(record, error, secrets)
        self._retire(record.sid)
        opened = OpenSink(sink, capabilities, (record.configuration, *tokens), secrets=secrets)
        if record.sid in self._feed.snapshot.sinks:
            self._open[record.sid] = opened
        else:  # deleted meanwhile: nothing else would close it
            opened.replaced = True
        return opened

    def _on_change(self, change: Change) -> None:
        if isinstance(change.before, SinkRecord) and change.after is None:
            self._retire(change.before.sid)
            self._doors.pop(change.before.sid, None)

    def _retire(self, sink_sid: str) -> None:
        opened = self._open.pop(sink_sid, None)
        if opened is not None:
            opened.replaced = True
            if not opened.users:
                self._close(opened)

    def _close(self, opened: OpenSink) -> None:
        task = asyncio.create_task(_end(opened.sink))
        self._closing.add(task)
        task.add_done_callback(self._closed)

    def _closed(self, task: "asyncio.Task[None]") -> None:
        self._closing.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.warning("sink.close_failed", error=type(error).__name__, follows="its connections end with us")


async def _opened(plugin: AnySinkPlugin, config: BaseModel, context: SinkContext) -> Sink:
    """Wrap in a coroutine whatever awaitable the plugin's ``open`` returns."""
    return await plugin.open(config, context)


def _unusable(record: SinkRecord, error: BaseException, secrets: Secrets) -> RetryLater:
    with concealing(secrets()):
        _log.error("sink.not_opened", sink=record.sid, exc_info=error, follows="its events are retried")
    told = "it did not open in time" if isinstance(error, OverdueError) else type(error).__name__
    return RetryLater(RetryReason.SINK_UNUSABLE, told)


async def _end(sink: Sink) -> None:
    await sink.aclose()  # in a task of its own, so that whatever it raises, even at once, stays there
