"""What a request writes: together, alone, in the term that it was checked in, or not at all."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from control_api.replicas.terms import NotPrimaryError
from control_api.replicas.writing import Writing
from eventstreams.http import RefusedError
from eventstreams.kafka.transaction import Outgoing


class Log:
    """Transactions that were written, as a primary's; ``open`` closed makes them wait."""

    def __init__(self) -> None:
        self.term: int | None = 1
        self.written: list[tuple[int | None, list[str]]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def write(self, term: int | None, records: Sequence[Outgoing]) -> Mapping[str, int]:
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


async def test_nobody_is_between_a_requests_check_and_its_write(log: Log, writing: Writing) -> None:
    order: list[str] = []

    async def request(name: str) -> None:
        unit = writing.begin_request()
        async with writing:
            order.append(f"{name} checks")
            await writing.add(Outgoing(name, b""))
        await asyncio.sleep(0)
        await writing.commit_request(unit)
        order.append(f"{name} wrote")
        writing.end_request(unit)

    await asyncio.gather(request("a"), request("b"))

    assert order == ["a checks", "a wrote", "b checks", "b wrote"]


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
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    second = asyncio.create_task(writing.add(Outgoing("b", b"")))
    await asyncio.gather(first, return_exceptions=True)
    assert not second.done()

    log.open.set()
    await second

    assert log.written == [(1, ["a"]), (1, ["b"])]


async def test_more_than_so_many_do_not_wait(log: Log) -> None:
    writing = Writing(log, most_waiting=1)
    log.open.clear()
    first, second = (asyncio.create_task(writing.add(Outgoing(name, b""))) for name in "ab")
    await asyncio.sleep(0.01)

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
