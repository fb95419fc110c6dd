"""What a request writes: together, alone, in the term that it was checked in, or not at all."""

import asyncio
import contextvars
import gc
from collections.abc import Mapping, Sequence

import pytest

from control_api.redrive.feed import JobWriter
from control_api.redrive.jobs import JobKind, Order
from control_api.redrive.selection import Selection
from control_api.replicas.terms import NotPrimaryError
from control_api.replicas.writing import Writing
from eventstreams.http import RefusedError
from eventstreams.kafka.transaction import Outgoing
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.topics import Topics


class Log:
    """Transactions that were written, as a primary's; ``open`` closed makes them wait."""

    def __init__(self) -> None:
        self.term: int | None = 1
        self.written: list[tuple[int | None, list[str]]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.writing = asyncio.Event()

    async def write(self, term: int | None, records: Sequence[Outgoing]) -> Mapping[str, int]:
        self.writing.set()
        await self.open.wait()
        if term is None or term != self.term:
            raise NotPrimaryError
        self.written.append((term, [each.topic for each in records]))
        return {each.topic: 1 for each in records}


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def writing(log: Log) -> Writing:
    return Writing(log)


async def test_a_section_outside_of_a_request_writes_at_its_end(log: Log, writing: Writing) -> None:
    async with writing:
        await writing.add(Outgoing("a", b""))
        await writing.add(Outgoing("b", b""))
        assert log.written == []
    await writing.add(Outgoing("c", b""))

    assert log.written == [(1, ["a", "b"]), (1, ["c"])]


async def test_a_request_writes_once_with_its_answer(log: Log, writing: Writing) -> None:
    unit = writing.begin_request()
    async with writing:
        await writing.add(Outgoing("a", b""))
    await writing.add(Outgoing("answer", b""))
    assert log.written == []
    await writing.commit_request(unit)
    writing.end_request(unit)

    assert log.written == [(1, ["a", "answer"])]
    assert unit.ends == {"a": 1, "answer": 1}


async def test_a_request_that_fails_has_written_nothing_and_lets_others_write(log: Log, writing: Writing) -> None:
    async def fail() -> None:
        async with writing:
            await writing.add(Outgoing("a", b""))
            raise ValueError("no")

    unit = writing.begin_request()
    with pytest.raises(ValueError, match="no"):
        await fail()
    await writing.commit_request(unit)
    writing.end_request(unit)
    await writing.add(Outgoing("b", b""))

    assert log.written == [(1, ["b"])]


async def one_request(writing: Writing, name: str, order: list[str]) -> None:
    unit = writing.begin_request()
    try:
        async with writing:
            order.append(f"{name} checks, {' '.join(sorted(writing.staged())) or 'nothing'} is staged")
            await writing.add(Outgoing(name, b"x"), changes={name: name})
        await asyncio.sleep(0)
        await writing.commit_request(unit)
        order.append(f"{name} wrote")
    finally:
        writing.end_request(unit)


async def test_who_waits_for_a_turn_shares_a_round_and_sees_what_is_staged_before(log: Log, writing: Writing) -> None:
    order: list[str] = []

    await asyncio.gather(*(one_request(writing, name, order) for name in "abc"))

    assert order[:3] == [
        "a checks, nothing is staged",
        "b checks, a is staged",
        "c checks, a b is staged",
    ]
    assert log.written == [(1, ["a", "b", "c"])]


async def test_nobody_checks_anything_while_a_round_is_written(log: Log, writing: Writing) -> None:
    order: list[str] = []
    log.open.clear()

    async with asyncio.TaskGroup() as group:
        group.create_task(one_request(writing, "a", order))
        await log.writing.wait()
        group.create_task(one_request(writing, "b", order))
        await asyncio.sleep(0.01)
        assert order == ["a checks, nothing is staged"]
        log.open.set()

    assert "b checks, nothing is staged" in order
    assert log.written == [(1, ["a"]), (1, ["b"])]


async def test_a_round_that_fails_fails_everybody_in_it(log: Log, writing: Writing) -> None:
    log.open.clear()
    tasks = [asyncio.create_task(one_request(writing, name, [])) for name in "abc"]
    await log.writing.wait()
    log.term = 2
    log.open.set()

    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(each) for each in answers] == [NotPrimaryError] * 3
    assert log.written == []
    await one_request(writing, "d", [])
    assert log.written == [(2, ["d"])]


@pytest.mark.parametrize("refused", [True, False], ids=["refused", "nothing to change"])
async def test_what_was_decided_on_something_staged_is_answered_once_that_is_written(
    log: Log, writing: Writing, *, refused: bool
) -> None:
    log.open.clear()

    async def look() -> None:
        unit = writing.begin_request()
        try:
            async with writing:
                assert writing.staged() == {"a": "a"}
            await (writing.drop_request(unit) if refused else writing.commit_request(unit))
        finally:
            writing.end_request(unit)

    first, second = asyncio.create_task(one_request(writing, "a", [])), asyncio.create_task(look())
    await log.writing.wait()
    assert not second.done()
    log.term = 2
    log.open.set()

    answers = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(each) for each in answers] == [NotPrimaryError] * 2


async def test_what_was_decided_in_a_later_term_joins_no_round_of_an_earlier_one(log: Log, writing: Writing) -> None:
    async def later() -> None:
        log.term = 2
        await one_request(writing, "b", [])

    answers = await asyncio.gather(one_request(writing, "a", []), later(), return_exceptions=True)

    assert [type(each) for each in answers] == [NotPrimaryError] * 2
    assert log.written == []


async def test_a_section_that_puts_nothing_lets_others_write_although_its_request_goes_on(
    log: Log, writing: Writing
) -> None:
    unit = writing.begin_request()
    async with writing:
        pass
    async with asyncio.timeout(30):
        await asyncio.create_task(one_request(writing, "a", []), context=contextvars.Context())
    writing.end_request(unit)

    assert log.written == [(1, ["a"])]


async def test_a_round_has_an_end_however_many_come(log: Log) -> None:
    writing = Writing(log, most_round=2)

    await asyncio.gather(*(one_request(writing, name, []) for name in "abcde"))

    assert [topics for _, topics in log.written] == [["a", "b"], ["c", "d"], ["e"]]


async def test_a_record_that_is_too_large_is_refused_before_it_joins_others(log: Log, writing: Writing) -> None:
    with pytest.raises(RefusedError) as refused:
        await writing.add(Outgoing("a", bytes(2 << 20)))

    assert refused.value.status == 413
    assert log.written == []


async def test_a_task_that_outlives_its_request_writes_on_its_own(log: Log, writing: Writing) -> None:
    over = asyncio.Event()

    async def later() -> None:
        await over.wait()
        await writing.add(Outgoing("later", b""))

    unit = writing.begin_request()
    task = asyncio.create_task(later())
    writing.end_request(unit)
    over.set()
    await task

    assert log.written == [(1, ["later"])]


async def test_a_second_section_of_a_request_writes_what_the_first_put(log: Log, writing: Writing) -> None:
    unit = writing.begin_request()
    async with writing:
        await writing.add(Outgoing("a", b""))
    async with writing:
        assert log.written == [(1, ["a"])]
        await writing.add(Outgoing("b", b""))
    await writing.write_now()
    assert log.written == [(1, ["a"]), (1, ["b"])]
    await writing.commit_request(unit)
    writing.end_request(unit)

    assert len(log.written) == 2


async def test_what_was_checked_in_one_term_is_not_written_in_a_later_one(log: Log, writing: Writing) -> None:
    unit = writing.begin_request()
    async with writing:
        await writing.add(Outgoing("a", b""))
    log.term = 2
    with pytest.raises(NotPrimaryError):
        await writing.commit_request(unit)
    writing.end_request(unit)

    assert log.written == []


async def test_who_is_not_primary_writes_nothing(log: Log, writing: Writing) -> None:
    log.term = None

    with pytest.raises(NotPrimaryError):
        await writing.add(Outgoing("a", b""))

    log.term = 2
    await writing.add(Outgoing("b", b""))
    assert log.written == [(2, ["b"])]


async def test_a_write_whose_request_is_cancelled_ends_before_the_next_begins(log: Log, writing: Writing) -> None:
    log.open.clear()
    first = asyncio.create_task(writing.add(Outgoing("a", b"")))
    await log.writing.wait()
    first.cancel()
    second = asyncio.create_task(writing.add(Outgoing("b", b"")))
    await asyncio.gather(first, return_exceptions=True)
    assert not second.done()

    log.open.set()
    await second

    assert log.written == [(1, ["a"]), (1, ["b"])]


async def test_who_goes_away_while_it_waits_for_its_turn_holds_up_nobody(log: Log, writing: Writing) -> None:
    log.open.clear()
    first = asyncio.create_task(writing.add(Outgoing("a", b"")))
    await log.writing.wait()
    second, third = (asyncio.create_task(writing.add(Outgoing(name, b""))) for name in "bc")
    await asyncio.sleep(0)
    second.cancel()
    log.open.set()
    await asyncio.gather(first, third)

    assert log.written == [(1, ["a"]), (1, ["c"])]


async def test_more_than_so_many_do_not_wait(log: Log) -> None:
    writing = Writing(log, most_waiting=1)
    log.open.clear()
    first = asyncio.create_task(writing.add(Outgoing("a", b"")))
    await log.writing.wait()
    second = asyncio.create_task(writing.add(Outgoing("b", b"")))
    await asyncio.sleep(0)

    with pytest.raises(RefusedError) as refused:
        await writing.add(Outgoing("c", b""))

    assert refused.value.status == 503
    log.open.set()
    await asyncio.gather(first, second)
    assert log.written == [(1, ["a"]), (1, ["b"])]


async def test_it_is_idle_once_no_request_is_under_way(writing: Writing) -> None:
    unit = writing.begin_request()
    idle = asyncio.create_task(writing.idle())
    await asyncio.sleep(0)
    assert not idle.done()

    writing.end_request(unit)

    await idle


async def test_a_job_that_is_ordered_is_known_to_who_orders_in_the_same_round(log: Log, writing: Writing) -> None:
    jobs = JobWriter(writing, Topics(Settings.load(kafka="localhost:9092")))
    order = Order(
        sid=new_sid(SidKind.JOB),
        kind=JobKind.REDRIVE,
        selection=Selection(account_sid=new_sid(SidKind.ACCOUNT)),
        ranges=(),
        rate=1,
        created_ms=1,
    )
    seen: list[Sequence[Order]] = []

    async def submit() -> None:
        unit = writing.begin_request()
        async with writing:
            seen.append(jobs.staged())
            await jobs.submit(order)
        await writing.commit_request(unit)
        writing.end_request(unit)

    await asyncio.gather(submit(), submit())

    assert seen == [[], [order]]
    assert jobs.staged() == []


async def test_a_round_that_fails_when_nobody_waits_any_more_is_nobodys_matter(
    log: Log, writing: Writing, caplog: pytest.LogCaptureFixture
) -> None:
    log.open.clear()
    waiting = asyncio.create_task(one_request(writing, "a", []))
    await log.writing.wait()
    waiting.cancel()
    await asyncio.wait({waiting})
    log.term = 2
    log.open.set()
    async with writing:  # once the round is over
        pass
    del waiting
    gc.collect()

    assert log.written == []
    assert caplog.text == ""
