"""A role that dies at an exact point, as in a power cut: ``python -m tests.support.doomed <point> <role> …``.

One of the role's own methods is replaced by one that kills the process; everything else is the real role.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NoReturn, cast

import pytest
from confluent_kafka import Consumer

from eventstreams.cli.main import main
from eventstreams.kafka.committer import Committer
from eventstreams.kafka.consumer import GroupConsumer
from eventstreams.kafka.membership import Membership
from eventstreams.kafka.records import Partition
from eventstreams.reasons import DeadReason
from eventstreams.settings import PREFIX, Settings
from router.at_least_once import lane as at_least_once
from router.at_least_once.client import Client
from router.at_least_once.lane import AtLeastOnceLane
from router.at_least_once.produce_request import Produce
from router.at_least_once.producer import BatchProducer
from router.at_least_once.record_batch import RecordBatch
from router.copying.lane import Job, Lane, Settled
from router.exactly_once.lane import TransactionalLane
from router.exactly_once.transactions import TRANSACTION_S, Seat, Transactions
from router.faust_app.transport import CommittedThread, RunConsumer, Taken
from sink_workers.delivery.record_reader import RecordReader
from sink_workers.delivery.settle import DeadLetter
from sink_workers.lanes.handler import LaneHandle
from tests.support import forks
from tests.support.up import clean_environ, variables

NAME: Final = "the-one"
"""Static member name of the process in its groups: its successor under the same name takes its place at once."""
KILLED: Final = -signal.SIGKILL


class Point(StrEnum):
    """Where it dies."""

    OFFSETS_SENT = "after a transaction's offsets, before its commit"
    TRANSACTION_COMMITTED = "after a transaction's commit, before its runs are acknowledged"
    HELD = "while what a fetch brought waits for the membership to be confirmed"
    ONE_RUN_COPIED = "after the copies of the first run of a message, before those of the second"
    ONE_RUN_COMMITTED = "after the commit of the first run of a message, before the others are acknowledged"
    ONE_GROUP_COMMITTED = "after the commit of a group of copies, while those of the next are under way"
    TWO_IN_FLIGHT = "after the broker stored two batches of a partition, before a response to either was handled"
    DRAIN = "after the commit that a drain waits for, before its own"
    TAKEN_BACK = "after an earlier commit's late answer, before the one that puts it right"
    FENCED = "after it was fenced, before it joins again"
    MEANWHILE = "after a commit of what stays, while what goes to another worker is drained"
    TOO_LARGE = "after a retry topic called an event too large, before its dead letter"
    DEAD_LETTER = "after that dead letter, before the commit"


def die() -> NoReturn:
    """Die as in a power cut: at once, without any cleanup."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def say(word: str) -> None:
    """Print ``word`` for the process that started this one; a role's log goes elsewhere."""
    os.write(sys.stdout.fileno(), f"{word}\n".encode())


def offsets_sent(patch: pytest.MonkeyPatch) -> None:
    """Die in the second transaction, once its offsets were sent."""
    go_on, commits = Transactions._at_most, list[None]()

    def at_most(self: Transactions, seconds: float, call: Callable[[], object]) -> None:
        if seconds == TRANSACTION_S:  # this call is the commit; the one before it, for the offsets, has been answered
            commits.append(None)
            if len(commits) == 2:
                die()
        go_on(self, seconds, call)

    patch.setattr(Transactions, "_at_most", at_most)


def transaction_committed(patch: pytest.MonkeyPatch) -> None:
    """Die once the second transaction is committed."""
    go_on, commits = Transactions.commit, list[bool]()

    def commit(self: Transactions, offsets: Sequence[Any], seat: Seat) -> bool:
        commits.append(go_on(self, offsets, seat))
        if commits.count(True) == 2:
            die()
        return commits[-1]

    patch.setattr(Transactions, "commit", commit)


def held(patch: pytest.MonkeyPatch) -> None:
    """Die with events that were fetched, and not handed over."""

    async def confirmed(_: CommittedThread) -> None:
        die()

    patch.setattr(CommittedThread, "confirmed", confirmed)


def one_run_copied(patch: pytest.MonkeyPatch) -> None:
    """Die when the brokers have all copies of the first run."""
    runs = list[Job]()

    def doomed(lane: type[AtLeastOnceLane | TransactionalLane]) -> None:
        go_on = lane._produce_run

        def produce_run(self: Any, job: Job) -> Settled:
            if runs and runs[-1].run.seek == job.run.seek and not runs[-1].run.is_last:
                self._copies.settle()
                die()
            runs.append(job)
            return go_on(self, job)

        patch.setattr(lane, "_produce_run", produce_run)

    for lane in (AtLeastOnceLane, TransactionalLane):
        doomed(lane)


def one_run_committed(patch: pytest.MonkeyPatch) -> None:
    """Die once an offset is committed, while of several runs in one message only the first is acknowledged."""
    to_message, commit, ack, others = RunConsumer._to_message, RunConsumer._commit, Taken.ack, list[Taken]()

    def message_of(self: RunConsumer, tp: Any, record: Any) -> Any:
        message = to_message(self, tp, record)
        if isinstance(record, tuple):
            others.extend(cast("list[Taken]", message.value)[1:])
        return message

    def acknowledge(self: Taken) -> None:
        if self not in others:
            ack(self)

    async def commit_one(self: RunConsumer, offsets: Mapping[Any, int]) -> bool:
        done = await commit(self, offsets)
        if done and others:
            die()
        return done

    patch.setattr(RunConsumer, "_to_message", message_of)
    patch.setattr(RunConsumer, "_commit", commit_one)
    patch.setattr(Taken, "ack", acknowledge)


def one_group_committed(patch: pytest.MonkeyPatch) -> None:
    """Die once the first group's offset is committed; no other group's copies ever leave the process."""
    waiting, send, commit, held = Lane._next, BatchProducer.send, RunConsumer._commit, list[None]()

    def next_(self: Lane) -> list[Job] | None:
        group = waiting(self)
        if len(held) < 2:  # so that runs wait when the second group is handed over, and the first group is answered
            held.append(None)
            say("holding")
            while self._jobs.empty():
                time.sleep(0.01)
        return group

    def send_first(self: BatchProducer, batches: Sequence[RecordBatch]) -> None:
        send(self, [batch for batch in batches if batch.group == 0])
        self._ledger.add([batch for batch in batches if batch.group])

    async def commit_once(self: RunConsumer, offsets: Mapping[Any, int]) -> bool:
        done = await commit(self, offsets)
        if done and held:
            die()
        return done

    patch.setattr(Lane, "_next", next_)
    patch.setattr(BatchProducer, "send", send_first)
    patch.setattr(RunConsumer, "_commit", commit_once)


def two_in_flight(patch: pytest.MonkeyPatch) -> None:
    """Die with two unhandled responses, each to a batch with one copy; the first batch of all is accepted before."""
    send, answered = Client.send, list[None]()

    async def send_and_hold(self: Client, broker: int, request: Any, **options: Any) -> Any:
        answer = await send(self, broker, request, **options)
        if isinstance(request, Produce):
            answered.append(None)
            if len(answered) == 3:
                die()
            if len(answered) == 2:
                await asyncio.Event().wait()
        return answer

    patch.setattr(Client, "send", send_and_hold)
    patch.setattr(at_least_once, "BATCH_BYTES", 1)


def drain(patch: pytest.MonkeyPatch) -> None:
    """Die when the drain commits; a commit that was in flight when the drain began has ended by then."""
    go_on, commit, under_way, ack = RunConsumer.drain, RunConsumer.commit, RunConsumer._commit, Taken.ack
    acknowledged, draining = list[Taken](), list[asyncio.Task[Any] | None]()

    def acknowledge(self: Taken) -> None:
        acknowledged.append(self)
        ack(self)
        say("acknowledged")

    async def drain_it(self: RunConsumer) -> None:
        if acknowledged:  # not one of the rounds in which partitions are assigned
            draining.append(asyncio.current_task())
        await go_on(self)

    async def hold(self: RunConsumer, offsets: Mapping[Any, int]) -> bool:
        say("committing")
        while not draining:
            await asyncio.sleep(0.01)
        return await under_way(self, offsets)

    async def commit_or_die(self: RunConsumer, *args: Any, **kwargs: Any) -> bool:
        if asyncio.current_task() in draining:
            die()
        return await commit(self, *args, **kwargs)

    patch.setattr(Taken, "ack", acknowledge)
    patch.setattr(RunConsumer, "drain", drain_it)
    patch.setattr(RunConsumer, "_commit", hold)
    patch.setattr(RunConsumer, "commit", commit_or_die)


def taken_back(patch: pytest.MonkeyPatch) -> None:
    """Die when the consumer's thread has found the group's offsets set back, before they are committed again."""

    def commit_again(self: GroupConsumer, partitions: Sequence[Partition]) -> None:
        del self, partitions
        die()

    patch.setattr(GroupConsumer, "_commit_again", commit_again)


def fenced(patch: pytest.MonkeyPatch) -> None:
    """Die when a fenced member has released its partitions, before it replaces its client."""

    def replace(self: Membership, why: str) -> None:
        del self, why
        time.sleep(0.5)  # until its loop has noticed, too
        die()

    patch.setattr(Membership, "replace", replace)


def meanwhile(patch: pytest.MonkeyPatch) -> None:
    """Die when Kafka has confirmed a commit that was made while a drain was awaited."""
    go_on = Committer.send_and_wait

    def send_and_wait(self: Committer, client: Consumer) -> None:
        before = dict(self._confirmed)
        go_on(self, client)
        if self._confirmed != before:
            die()

    patch.setattr(Committer, "send_and_wait", send_and_wait)


def too_large(patch: pytest.MonkeyPatch) -> None:
    """Die when a record was found too large, before its dead letter is written."""

    async def write(self: RecordReader, dead_letters: Sequence[DeadLetter], lane: LaneHandle) -> None:
        del self, lane
        assert [each.reason for each in dead_letters] == [DeadReason.TOO_LARGE]
        die()

    patch.setattr(RecordReader, "write_dead_letters", write)


def dead_letter(patch: pytest.MonkeyPatch) -> None:
    """Die when the broker has the dead letter, while only memory knows that the event is settled."""
    go_on = RecordReader.write_dead_letters

    async def write(self: RecordReader, dead_letters: Sequence[DeadLetter], lane: LaneHandle) -> None:
        await go_on(self, dead_letters, lane)
        die()

    patch.setattr(RecordReader, "write_dead_letters", write)


_POINTS: Final[Mapping[Point, Callable[[pytest.MonkeyPatch], None]]] = {
    Point.OFFSETS_SENT: offsets_sent,
    Point.TRANSACTION_COMMITTED: transaction_committed,
    Point.HELD: held,
    Point.ONE_RUN_COPIED: one_run_copied,
    Point.ONE_RUN_COMMITTED: one_run_committed,
    Point.ONE_GROUP_COMMITTED: one_group_committed,
    Point.TWO_IN_FLIGHT: two_in_flight,
    Point.DRAIN: drain,
    Point.TAKEN_BACK: taken_back,
    Point.FENCED: fenced,
    Point.MEANWHILE: meanwhile,
    Point.TOO_LARGE: too_large,
    Point.DEAD_LETTER: dead_letter,
}


class Doomed:
    """The process."""

    def __init__(self, process: "subprocess.Popen[bytes]", said: Path) -> None:
        self._process = process
        self._said = said

    def said(self, word: str) -> int:
        """Return how often it has printed ``word``."""
        return self._said.read_text("utf-8").split().count(word)

    def terminate(self) -> None:
        """Tell it to shut down gracefully."""
        self._process.terminate()

    def died(self) -> bool:
        """Return whether it has died at its point.

        Raises:
            AssertionError: It has ended in another way.
        """
        code = self._process.poll()
        assert code in {None, KILLED}, code
        return code == KILLED


@contextmanager
def doomed(settings: Settings, point: Point, *role: str) -> Iterator[Doomed]:
    """Run ``role`` as a process under ``NAME`` that dies at ``point``; at the end of the block in any case."""
    given = {
        "INSTANCE": NAME,
        "ALLOWED_DESTINATIONS": "127.0.0.0/8",
        "EXACTLY_ONCE": str(settings.exactly_once),
    }
    environment = {
        **clean_environ(),
        **variables(settings),
        **{f"{PREFIX}{name}": each for name, each in given.items()},
    }
    command = (sys.executable, "-m", "tests.support.doomed", point.name, *role)
    with TemporaryDirectory() as folder, (said := Path(folder, "said")).open("wb") as out:
        process = forks.popen(command, env=environment, stdout=out)
        try:
            yield Doomed(process, said)
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    _POINTS[Point[sys.argv.pop(1)]](pytest.MonkeyPatch())
    main()
