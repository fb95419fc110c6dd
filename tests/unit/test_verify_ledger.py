"""What a run publishes, and how it is remembered: all of it follows from numbers, and memory is bounded."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec, CodecProblem
from eventstreams.errors import InvalidEventError
from eventstreams.settings import Settings
from eventstreams.verify.ledger import MOST, Count, Ledger, State, Tally, Wrong, _bucket, longest_of
from eventstreams.verify.plan import PARTIAL_TYPES, TYPES, Kind, Plan, digest, make_event, spoil, types_for

PLAN = Plan.of("vf00c0ffee", 1_000, with_other_account=True)
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


@given(st.integers(1, 30_000), st.booleans())
def test_a_plan_has_so_many_ordinary_events_and_some_of_every_other_kind(
    ordinary: int,
    with_other_account: bool,  # noqa: FBT001 - drawn
) -> None:
    plan = Plan.of("vf00c0ffee", ordinary, with_other_account=with_other_account)
    batches = list(plan.batches())

    counts = {kind: sum(len(batch.numbers) for batch in batches if batch.kind is kind) for kind in Kind}
    assert counts[Kind.ORDINARY] == ordinary
    assert counts[Kind.PARTIAL]
    assert counts[Kind.INVALID]
    assert bool(counts[Kind.OTHER_ACCOUNT]) == with_other_account
    assert max(len(batch.numbers) for batch in batches) <= 100
    numbers = [number for batch in batches for number in batch.numbers]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) < plan.event_count
    assert all(plan.kind_of(batch.first) is batch.kind for batch in batches)


@given(st.integers(0, PLAN.event_count - 1))
def test_the_number_of_an_event_is_in_its_id(number: int) -> None:
    assert PLAN.number_of(PLAN.id_of(number)) == number


@pytest.mark.parametrize(
    "event_id",
    [None, 7, "", "vf00c0ffee", "vf00c0ffee-", "vf00c0ffee-7", "vf00c0ffee-²", "vf00c0ffee-99999999", "EZ-00000001"],
)
def test_an_id_that_is_none_of_the_runs_has_no_number(event_id: object) -> None:
    assert PLAN.number_of(event_id) is None


def test_each_subscription_has_the_common_types_and_one_of_the_others() -> None:
    assert [types_for(position)[-1] for position in range(4)] == [*PARTIAL_TYPES, PARTIAL_TYPES[0]]
    assert all(types_for(position)[:-1] == TYPES for position in range(4))


def test_events_fit_their_schema_and_come_back_from_it_as_they_were() -> None:
    catalog = Catalog.load()
    codec = Codec(catalog, schema_base_url=Settings.load().schema_base_url)

    for number in range(0, PLAN.event_count, 7):
        event = make_event(PLAN, number, "AC00000000000000000000000000000001", NOW)
        schema = catalog.newest_schema(str(event["type"]))
        assert schema is not None
        data = event["data"]
        assert isinstance(data, dict)
        back = codec.decode(codec.dataschema(schema), codec.encode(schema, data))
        assert not isinstance(back, CodecProblem)
        assert digest({**event, "data": back}) == digest(event)
        spoiled = spoil(event)["data"]
        assert isinstance(spoiled, dict)
        with pytest.raises(InvalidEventError):
            codec.encode(schema, spoiled)


def test_a_digest_changes_with_everything_that_must_arrive_as_it_was() -> None:
    event = make_event(PLAN, 7, "AC00000000000000000000000000000001", NOW)
    data = event["data"]
    assert isinstance(data, dict)
    others = [
        {**event, "id": "x"},
        {**event, "type": "x"},
        {**event, "source": "x"},
        {**event, "time": "x"},
        {**event, "data": {**data, "body": f"{data['body']} "}},
        {**event, "data": {name: value for name, value in data.items() if name != "to"}},
    ]

    assert len({digest(event), *map(digest, others)}) == 7
    assert digest({**event, "data": dict(reversed(data.items()))}) == digest(event)


def test_what_one_process_writes_down_another_reads(tmp_path: Path) -> None:
    batch = next(iter(PLAN.batches()))
    ours, theirs = Ledger(tmp_path, PLAN, new=True), Ledger(tmp_path, PLAN, new=False)

    ours.sending(batch, [11] * len(batch.numbers), 1000.5)
    ours.sending_again(batch)
    ours.acknowledged(batch, list(batch.numbers)[:-1], 1001.25)

    first, last = batch.first, batch.end - 1
    assert (theirs.digest_of(first), theirs.digest_of(batch.end)) == (11, 0)
    assert (theirs.sent_at(first), theirs.acknowledged_at(first)) == (1000.5, 1001.25)
    assert (theirs.state_of(first), theirs.state_of(last)) == (State.ACKNOWLEDGED, State.UNKNOWN)
    assert len(theirs.again()) == PLAN.size
    assert theirs.states()[batch.end] == State.UNSENT


def test_a_tally_counts_by_event_and_saturates(tmp_path: Path) -> None:
    tally = Tally(tmp_path, 0, PLAN, new=True)

    assert [tally.arrived(5) for _ in range(300)][-1] == MOST
    tally.accepted(5, 0.2)
    tally.accepted(5, 99.0)
    tally.refused(6)
    assert [tally.wrong(Wrong.ALTERED) for _ in range(2)] == [1, 2]
    tally.count(Count.REQUESTS)

    theirs = Tally(tmp_path, 0, PLAN, new=False)
    assert (theirs.arrivals()[5], theirs.acceptances()[5], theirs.refusals()[6]) == (MOST, 2, 1)
    assert (theirs.get(Count.ACCEPTED), theirs.get(Count.REQUESTS)) == (2, 1)
    assert theirs.wrongs() == {Wrong.ALTERED: 2}
    assert sum(theirs.delays()) == 1  # of the first delivery alone


@example(0.0078125)
@given(st.floats(0, 15_000))
def test_a_delay_is_in_a_bucket_whose_end_is_an_eighth_away_at_most(delay_s: float) -> None:
    longest = longest_of(_bucket(delay_s))

    assert delay_s <= longest
    assert longest <= max(delay_s, 0.001) * 1.125 + 0.002


def test_a_million_events_take_tens_of_bytes_each_and_no_more(tmp_path: Path) -> None:
    plan = Plan.of("vf00c0ffee", 1_000_000, with_other_account=True)

    Ledger(tmp_path, plan, new=True)
    for position in range(10):
        Tally(tmp_path, position, plan, new=True)

    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 45_000_000
