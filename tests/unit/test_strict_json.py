"""JSON for events: as orjson reads it, and no key twice."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.outcomes import Invalid
from producers.strict_json import parse_json

TEXT = st.text(alphabet=st.sampled_from('ab":\\ ,{}é'))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(JSON, st.sampled_from([None, 1]), st.sampled_from([(",", ":"), (" ,", " : "), (", ", "\n:")]))
def test_json_without_repeated_keys_is_read_as_it_is(
    value: object, indent: int | None, separators: tuple[str, str]
) -> None:
    assert parse_json(json.dumps(value, indent=indent, separators=separators).encode()) == value


@given(TEXT, JSON, JSON, st.booleans())
def test_a_key_that_is_there_twice_is_told(key: str, first: object, second: object, outer: bool) -> None:  # noqa: FBT001 - drawn
    name = orjson.dumps(key)
    raw = b'{%s:%s, "more": 1, %s:%s}' % (name, orjson.dumps(first), name, orjson.dumps(second))

    problem = parse_json(b'[{"x":%s}]' % raw if outer else raw)

    assert isinstance(problem, Invalid)
    assert problem.reason.startswith("has the key ")


@pytest.mark.parametrize("depth", [10, 1000])
def test_a_repeated_key_among_deep_lists_is_told_too(depth: int) -> None:
    problem = parse_json(b'{"a":1,"a":' + b"[" * depth + b"]" * depth + b"}")

    assert isinstance(problem, Invalid)
    assert problem.reason in {"has the key 'a' twice in one object", "is nested too deeply"}
