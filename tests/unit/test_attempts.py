"""Records of the attempts topic: read as they were written, whatever release wrote them."""

from collections.abc import Sequence

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.attempts import Entry, EntryKind, UnreadableRecordError, decode, encode
from tests.support.entries import make_entry

_NAMES = st.text(st.characters(codec="utf-8"), max_size=30)
_TIMES = st.integers(0, 2**50)

entries = st.builds(
    Entry,
    kind=st.sampled_from(list(EntryKind)).map(str),
    at_ms=_TIMES,
    event_id=_NAMES,
    event_type=_NAMES,
    account_sid=_NAMES,
    subscription_sid=_NAMES,
    sink_sid=st.none() | _NAMES,
    sink_type=_NAMES,
    attempt=st.integers(0, 1000),
    duration_ms=st.none() | _TIMES,
    accepted_ms=st.none() | _TIMES,
    deadline_ms=st.none() | _TIMES,
    origin=_NAMES,
    rests_at=st.none() | _NAMES,
    next_at_ms=st.none() | _TIMES,
    reason=st.none() | _NAMES,
    code=st.none() | st.integers(0, 99999),
    status=st.none() | st.integers(0, 999),
    detail=st.none() | _NAMES,
    answer=st.none() | _NAMES,
)


@given(st.lists(entries, max_size=5))
def test_entries_are_read_as_they_were_written(written: list[Entry]) -> None:
    assert decode(encode(written)) == written


def test_fields_of_a_later_release_are_ignored_and_missing_ones_are_none() -> None:
    entry = make_entry()
    fields = [name for name in Entry._fields if name != "answer"]
    row = [getattr(entry, name) for name in fields]
    value = orjson.dumps({"v": 1, "fields": ["new", *reversed(fields)], "entries": [["x", *reversed(row)]]})

    assert decode(value) == [entry._replace(answer=None)]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"kind": "teleported"}, id="a kind of a later release"),
        pytest.param({"at_ms": "noon"}, id="a time that is no number"),
        pytest.param({"at_ms": 2**63}, id="a time that no store holds"),
        pytest.param({"event_id": None}, id="no event"),
        pytest.param({"detail": 7}, id="a detail that is no text"),
    ],
)
def test_an_entry_that_makes_no_sense_is_none_and_the_others_are_read(change: dict[str, object]) -> None:
    good = make_entry()
    bad = {**good._asdict(), **change}
    value = orjson.dumps({"v": 1, "fields": list(bad), "entries": [list(bad.values()), list(good)]})

    assert decode(value) == [None, good]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b'{"v": 2, "fields": [], "entries": []}',
        b'{"v": 1, "fields": 7, "entries": []}',
        b'{"v": 1, "fields": [], "entries": {}}',
    ],
)
def test_a_record_that_makes_no_sense_is_said_to_be_unreadable(value: bytes) -> None:
    with pytest.raises(UnreadableRecordError):
        decode(value)


_JSON = st.none() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(st.characters(codec="utf-8"))


@given(st.recursive(_JSON, lambda inner: st.lists(inner, max_size=4), max_leaves=8))
def test_no_rows_whatsoever_make_reading_raise(row: object) -> None:
    value = orjson.dumps({"v": 1, "fields": ["kind", "at_ms"], "entries": [row]})

    assert decode(value) == [None]


@given(st.lists(entries, min_size=1, max_size=4), st.integers(0, len(Entry._fields) - 1), _JSON)
def test_a_value_that_makes_no_sense_costs_its_own_entry_alone(written: list[Entry], at: int, value: object) -> None:
    odd: list[object] = list(written[0])
    odd[at] = orjson.loads(orjson.dumps(value))  # as it is read: what is no number in JSON is null

    def read(rows: Sequence[object]) -> Sequence[Entry | None]:
        return decode(
            orjson.dumps(
                {
                    "v": 1,
                    "fields": list(Entry._fields),
                    "entries": [list(row) if isinstance(row, tuple) else row for row in rows],
                }
            )
        )

    assert read([odd, *written]) == [*read([odd]), *written]
    assert read([odd]) in ([None], [Entry._make(odd)])
    assert read([odd[:-1], *written, 7, [*odd, 1]]) == [None, *written, None, None]
