"""Decides which API process writes: the one with the seat, from fencing its predecessor until it is fenced itself.

Such a period is a **term**. It begins with the seat, which a consumer group assigns to one process. Then the process
opens the transactional id, which aborts what an earlier primary left open and fences it; reads everything that was
written before; and says in its first transaction that it is the primary now. ADR 0009 has the reasons.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Final, Self

import orjson
from pydantic import ValidationError

from control_api.replicas.terms import PRIMARY, Duty, Followed, NotPrimaryError, Primary
from eventstreams.control.feed import BEHIND_KEY, PRIMARY_KEY, ControlFeed
from eventstreams.errors import FatalProducerError, TopicError
from eventstreams.kafka.producer import AckedProducer
from eventstreams.kafka.seat import GroupSeat
from eventstreams.kafka.transaction import Fenced, Outgoing, TransactionalProducer, Unwritten, Written
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from eventstreams.topics import Topics

_AGAIN_S: Final = 0.5  # before a term that could not begin is tried again

_log = get_logger(__name__)


class Primacy:
    """This process as a candidate. Use as ``async with``, which competes for the seat; then call ``start``."""

    def __init__(
        self,
        settings: Settings,
        feed: ControlFeed,
        *,
        url: str,
        followed: Mapping[str, Followed],
        plain: AckedProducer,
        on_crash: Callable[[BaseException], None],
    ) -> None:
        """Create a candidate.

        Args:
            settings: Where Kafka is, and how topics are named.
            feed: The control topic's feed.
            url: Where the other replicas reach this process.
            followed: All topics that the primary writes: writes are read back before they are answered.
            plain: For records outside of transactions.
            on_crash: Called once if this process can no longer be a candidate.
        """
        self.own = Primary(uuid.uuid4().hex[:16], url)
        self._topics = Topics(settings)
        self._settings = settings
        self._followed = followed
        self._plain = plain
        self._told: Primary | None = None
        self._listeners: list[Callable[[], None]] = []
        self._terms = 0
        self._term: int | None = None
        self._moved = asyncio.Event()
        self._seated = asyncio.Event()
        self._over = asyncio.Event()
        self._resigned = False
        self._producer: TransactionalProducer
        self._task: asyncio.Task[None] | None = None
        self._seat = GroupSeat(
            settings,
            group=self._topics.group("api"),
            topic=self._topics.control,
            on_taken=self._take_seat,
            on_lost=self._lose_seat,
            on_crash=on_crash,
        )
        self._on_crash = on_crash
        feed.listen_to_primary(self._hear)

    async def __aenter__(self) -> Self:
        await self._seat.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.resign()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def start(self, *, duties: Sequence[Duty], prepare: Callable[[], Sequence[Outgoing]]) -> None:
        """Become the primary whenever this process has the seat.

        Args:
            duties: Entered in each term, in order, and exited at its end.
            prepare: Makes records for a term's first transaction, once everything written before is known.
        """
        self._task = asyncio.create_task(self._run(duties, prepare), name="primacy")
        self._task.add_done_callback(self._ended)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` on the event loop whenever the primary changes, here or elsewhere."""
        self._listeners.append(listener)

    @property
    def term(self) -> int | None:
        """The number of the current term if this process may write now, else None. Later terms have higher numbers."""
        return self._term

    @property
    def resigned(self) -> bool:
        """Whether this process will never be primary again, because it stops."""
        return self._resigned

    @property
    def other(self) -> Primary | None:
        """The primary, as far as known, if it is another process; None if there is none or it is this process."""
        told = self._told
        # One with our own URL ran here before us.
        return None if told is None or told.replica == self.own.replica or told.url == self.own.url else told

    async def moved(self, *, within_s: float) -> None:
        """Return when the primary changes, here or elsewhere, or after ``within_s`` seconds."""
        moved = self._moved
        try:
            async with asyncio.timeout(within_s):
                await moved.wait()
        except TimeoutError:
            return

    async def write(self, term: int | None, records: Sequence[Outgoing]) -> Mapping[str, int]:
        """Write ``records`` in one transaction in ``term``, and read them back; return each topic's next offset.

        One call at a time.

        Raises:
            NotPrimaryError: the term is over.
            TopicError: Kafka will never take one of the records.
        """
        if term is None or term != self._term:
            raise NotPrimaryError
        match await self._producer.write(records):
            case Written(ends=ends):
                await self._read_back(ends)
                return ends
            case Fenced():
                self._end_term("another process took over", stand_again=True)
                raise NotPrimaryError
            case Unwritten(text=text, lasting=lasting):
                self._end_term(text, stand_again=False)
                if lasting:
                    raise TopicError(f"Kafka will never accept this write: {text}")
                raise NotPrimaryError

    def positions(self) -> Mapping[str, int]:
        """For each topic that the primary writes, the offset below which everything is known here."""
        return {topic: each.position() for topic, each in self._followed.items()}

    async def resign(self) -> None:
        """Stop writing, and let another process have the seat at once."""
        self._resigned = True
        self._seated.clear()
        self._end_term("it stops", stand_again=False)
        await self._seat.leave()

    # -- terms -----------------------------------------------------------------------------------------------

    async def _run(self, duties: Sequence[Duty], prepare: Callable[[], Sequence[Outgoing]]) -> None:
        transactional_id = self._topics.group("api.primary")
        async with TransactionalProducer(self._settings, transactional_id, notes_ends=True) as producer:
            self._producer = producer
            while True:
                await self._seated.wait()
                self._over.clear()
                if not await self._begin(prepare):
                    await asyncio.sleep(_AGAIN_S)
                    continue
                async with AsyncExitStack() as stack:
                    for duty in duties:
                        await stack.enter_async_context(duty())
                    await self._over.wait()

    async def _begin(self, prepare: Callable[[], Sequence[Outgoing]]) -> bool:
        """Try to begin a term; return whether it has begun."""
        opened = await self._producer.open()
        if isinstance(opened, Unwritten):
            _log.warning("primary.not_begun", because=opened.text, follows="it tries again")
            return False
        await asyncio.gather(*(each.catch_up() for each in self._followed.values()))
        told = Outgoing(self._topics.control, orjson.dumps(self.own), PRIMARY_KEY)
        match await self._producer.write([*prepare(), told]):
            case Written(ends=ends):
                await self._read_back(ends)
            case Fenced():
                self._seated.clear()
                self._seat.stand_again()
                return False
            case Unwritten(text=text):
                _log.warning("primary.not_begun", because=text, follows="it tries again")
                return False
        if not self._seated.is_set():
            return False
        self._terms += 1
        self._term = self._terms
        self._announce()
        _log.info("primary.begun", replica=self.own.replica)
        return True

    def _end_term(self, because: str, *, stand_again: bool) -> None:
        if self._term is None:
            return
        self._term = None
        self._over.set()
        self._announce()
        _log.info("primary.ended", replica=self.own.replica, because=because)
        if stand_again:
            # The seat that we believe to have may be another's by now: only a newly assigned one counts.
            self._seated.clear()
            self._seat.stand_again()

    def _take_seat(self) -> None:
        if not self._resigned:
            self._seated.set()

    def _lose_seat(self) -> None:
        self._seated.clear()
        self._end_term("another process holds the seat", stand_again=False)

    def _hear(self, value: bytes) -> None:
        try:
            self._told = PRIMARY.validate_json(value)
        except ValidationError:
            _log.warning("primary.record_skipped", follows="requests wait for a readable one")
            return
        if self._told.replica != self.own.replica:
            self._end_term("another process took over", stand_again=True)
        self._announce()

    def _announce(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()
        for listener in self._listeners:
            listener()

    async def _read_back(self, ends: Mapping[str, int]) -> None:
        for topic, end in ends.items():
            if topic in self._followed:
                await self._followed[topic].wait_until(end)
        if self._topics.control in ends:
            # The write was read back, so its commit marker is on the topic, and this comes after it. Nothing waits.
            with suppress(FatalProducerError):  # then readers are only late
                _ = await self._plain.enqueue(self._topics.control, b"", key=BEHIND_KEY)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()):
            self._on_crash(error)
