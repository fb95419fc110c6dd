"""Copies to Kafka: one thread, one idempotent producer, one flush for all runs that wait (group commit).

Why a thread and not the event loop: librdkafka lets go of the interpreter while it waits, no Python callback is
needed for a copy that was acknowledged (only failures are reported), and the loop stays free for heartbeats.
One lane keeps the order of every source partition, hence of every key.
"""

import asyncio
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Final, Protocol, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from eventstreams.errors import FatalProducerError
from eventstreams.headers import KNOWN, MAX_DETAIL_BYTES, Headers, dead_headers
from eventstreams.kafka.config import client_config
from eventstreams.kafka.producer import LASTING
from eventstreams.reasons import DeadReason
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from router.plan import Copy, Planner, SourceRecord

_MAX_GROUP: Final = 32  # runs that share one flush: bounds what a crash repeats
_RETRY_S: Final = 0.5
_TURN_S: Final = 1.0
_JOIN_S: Final = 10.0

_log = get_logger(__name__)

Run = Sequence[SourceRecord]
"""Records of one partition, in order, as they were fetched together."""

Restore = Callable[[set[str]], set[str]]
"""Of topics that did not take a copy: makes again those that a route leads to and that are missing. Returns those
that are missing and that no route leads to any more."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a run, every copy acknowledged.

    Attributes:
        copies: On subscription topics.
        matched: Events with at least one copy.
        dead: Events that are dead letters of the router now.
        unmatched: Events that nobody wants.
    """

    copies: int
    matched: int
    dead: int
    unmatched: int


_Answer = Settled | Exception
_Job = tuple[Run, "asyncio.Future[Settled]"]


class _Source(Protocol):
    """What a copy shares with its event: these very bytes."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class _Nothing:
    key: None = None
    value: None = None


_NOTHING: Final = _Nothing()


@dataclass(frozen=True, slots=True)
class _Failed:
    """A copy that the broker did not acknowledge."""

    error: KafkaError
    copy: Copy
    source: _Source


class Lane:
    """``await deliver(run)`` returns once the broker has every copy. Use as ``async with``."""

    def __init__(self, settings: Settings, planner: Planner, *, dead_topic: str, restore: Restore) -> None:
        """A lane.

        Args:
            settings: Which Kafka.
            planner: Says which copies to make. Asked on the lane's thread.
            dead_topic: Where copies go that the broker will never take.
            restore: Asked on the lane's thread, before copies that failed are repeated or given up.
        """
        self._planner = planner
        self._dead_topic = dead_topic
        self._restore = restore
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._failed: list[_Failed] = []
        self._producer = Producer(
            client_config(
                settings,
                {
                    "enable.idempotence": True,  # acks=all, in order, no duplicates from the client's own retries
                    "linger.ms": 5,
                    "batch.size": 1 << 20,
                    "message.max.bytes": 4 << 20,
                    "queue.buffering.max.messages": 1_000_000,
                    "topic.metadata.propagation.max.ms": 5_000,  # a topic that is gone stalls the lane this long
                    "delivery.report.only.error": True,
                },
            )
        )
        self.last_turn = math.inf
        """When the lane's thread was last seen to turn; it does twice a second while it has work."""
        self._thread = threading.Thread(target=self._run, name="router-lane", daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, _JOIN_S)

    def deliver(self, run: Run) -> "asyncio.Future[Settled]":
        """What became of ``run``, once all of it is acknowledged; there is no other end but success.

        Raises:
            FatalProducerError: (the future) the producer can never deliver again; nothing is known of ``run``.
        """
        answer: asyncio.Future[Settled] = self._loop.create_future()
        self._jobs.put((run, answer))
        return answer

    # -- on the lane's thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            self.last_turn = time.monotonic()
            group = [job]
            while len(group) < _MAX_GROUP and not self._jobs.empty():
                if (job := self._jobs.get()) is None:
                    self._jobs.put(None)
                    break
                group.append(job)
            answers: list[_Answer]
            try:
                answers = list(self._deliver([run for run, _ in group]))
            except Exception as error:  # noqa: BLE001 - a thread's end must not pass unseen: the runs carry it
                answers = [error] * len(group)
            self.last_turn = math.inf
            self._loop.call_soon_threadsafe(_resolve, [future for _, future in group], answers)

    def _deliver(self, runs: Sequence[Run]) -> Sequence[Settled]:
        settled = [self._produce_run(run) for run in runs]
        while failed := self._flush():
            _log.warning(
                "copies.not_acked", count=len(failed), error=failed[0].error.str(), follows="they are repeated"
            )
            for each in failed:
                if each.error.fatal():
                    raise FatalProducerError(f"Kafka's producer gave up: {each.error.str()}")
            # Librdkafka has half a dozen codes for a topic that is gone, so the broker is asked, not the code.
            # What no broker will ever take needs no look, and nobody has to wait for it to become a dead letter.
            topics = {each.copy.topic for each in failed if each.error.code() not in LASTING}
            given_up = self._restore(topics) if topics else set()
            if topics - given_up or any(each.copy.topic == self._dead_topic for each in failed):
                time.sleep(_RETRY_S)  # only what is too large for its own topic goes to the dead letters at once
            self.last_turn = time.monotonic()
            for each in failed:
                if each.copy.topic not in given_up:
                    self._repeat(each)
        return settled

    def _flush(self) -> list[_Failed]:
        while self._producer.flush(_TURN_S):
            self.last_turn = time.monotonic()
        failed, self._failed = self._failed, []
        return failed

    def _on_failed(self, copy: Copy, source: _Source, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(_Failed(error, copy, source))

    def _produce_run(self, run: Run) -> Settled:
        copies = dead = unmatched = 0
        # Every lookup counts in this loop: a copy costs five microseconds in all.
        plan, produce = self._planner.plan, self._producer.produce
        on_failed, dead_topic = self._on_failed, self._dead_topic
        for record in run:
            planned = plan(record)
            for copy in planned:
                topic, headers = copy
                failed = partial(on_failed, copy, record)  # a report's own message comes without its headers
                try:
                    produce(topic, record.value, record.key, headers=list(headers), on_delivery=failed)
                except (BufferError, KafkaException):
                    self._produce(copy, record)
            if not planned:
                unmatched += 1
            elif planned[0].topic == dead_topic:
                dead += 1
            else:
                copies += len(planned)
        return Settled(copies, matched=len(run) - dead - unmatched, dead=dead, unmatched=unmatched)

    def _repeat(self, failed: _Failed) -> None:
        copy, source = failed.copy, failed.source
        if failed.error.code() in LASTING and copy.topic != self._dead_topic:
            # Our topics take more than the events' own, so this needs an operator's hand; the partition goes on.
            reason, detail = DeadReason.TOO_LARGE, failed.error.str()
            headers = dead_headers(
                copy.headers, None, origin=copy.topic, reason=reason, code=reason.code, detail=detail
            )
            copy = Copy(self._dead_topic, headers)
        elif failed.error.code() in LASTING:
            # Not even the dead letters take it: compressed by its producer it was small enough for the events topic,
            # which still has it. What is left tells which event it was, and why.
            copy, source = Copy(self._dead_topic, _short(copy.headers)), _NOTHING
        self._produce(copy, source)

    def _produce(self, copy: Copy, source: _Source) -> None:
        on_failed = partial(self._on_failed, copy, source)
        while True:
            try:
                self._producer.produce(
                    copy.topic, source.value, source.key, headers=list(copy.headers), on_delivery=on_failed
                )
            except BufferError:  # the client's queue is full: wait for acknowledgements
                self._producer.poll(0.05)
                self.last_turn = time.monotonic()
            except KafkaException as error:  # the client knows already that the topic is gone
                self._failed.append(_Failed(error.args[0], copy, source))
                return
            else:
                return


def _short(headers: Headers) -> Headers:
    """Those of ``headers`` that we know and that are short."""
    return [(name, value) for name, value in dict(headers).items() if name in KNOWN and len(value) <= MAX_DETAIL_BYTES]


def _resolve(futures: Sequence["asyncio.Future[Settled]"], answers: Sequence[_Answer]) -> None:
    for future, answer in zip(futures, answers, strict=True):
        if future.done():
            continue
        if isinstance(answer, Settled):
            future.set_result(answer)
        else:
            future.set_exception(answer)
