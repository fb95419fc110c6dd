"""Parameters of extensions: a form, or the same names in JSON."""

import asyncio
from collections.abc import Sequence

import orjson
import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from control_api.http.forms import FORM, read_form, read_form_or_json
from eventstreams.http import RefusedError

JSON = "application/json"


def request(body: bytes, content_type: str | None) -> web.Request:
    headers = {} if content_type is None else {"Content-Type": content_type}
    payload = StreamReader(BaseProtocol(asyncio.get_running_loop()), 2**20)
    payload.feed_data(body)
    payload.feed_eof()
    return make_mocked_request("POST", "/", headers=headers, payload=payload)


async def fields(value: object) -> Sequence[tuple[str, str]]:
    return (await read_form_or_json(request(orjson.dumps(value), f"{JSON}; charset=utf-8"))).fields


async def test_json_says_what_a_form_says() -> None:
    assert await fields({"Paused": True, "RateLimit": 2.5, "MaxAttempts": 3, "Ttl": None, "Filter": "true"}) == [
        ("Paused", "true"),
        ("RateLimit", "2.5"),
        ("MaxAttempts", "3"),
        ("Ttl", ""),
        ("Filter", "true"),
    ]


async def test_a_list_is_a_repeated_field_and_an_object_its_json() -> None:
    assert await fields({"Types": [{"type": "a"}, {"type": "b"}], "SinkConfiguration": {"destination": "ü"}}) == [
        ("Types", '{"type":"a"}'),
        ("Types", '{"type":"b"}'),
        ("SinkConfiguration", '{"destination":"ü"}'),
    ]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "words"),
    [
        (b"{", JSON, 400, "The body is not JSON: "),
        (b"[]", JSON, 400, "The body must be a JSON object of parameters"),
        (b'"\\ud800"', JSON, 400, "The body is not JSON: "),
        (b'{"A": [' + b"1," * 2000 + b"1]}", JSON, 400, "The body has more than 2000 fields"),
        (b'{"A": ' + b'{"a":' * 300 + b"1" + b"}" * 301, JSON, 400, "The body is nested too deeply"),
        (b"a=%ff", FORM, 400, "The form is not UTF-8"),
        (b"a=1", "text/plain", 415, "The body must be application/x-www-form-urlencoded or application/json"),
        (b"a=1", None, 415, "The body must be application/x-www-form-urlencoded or application/json"),
    ],
    ids=["no JSON", "no object", "half a character", "too many", "too deep", "no UTF-8", "text", "untold"],
)
async def test_what_is_neither_is_refused(body: bytes, content_type: str | None, status: int, words: str) -> None:
    with pytest.raises(RefusedError) as caught:
        await read_form_or_json(request(body, content_type))

    assert (caught.value.status, words in str(caught.value)) == (status, True), str(caught.value)


@pytest.mark.parametrize("content_type", [FORM, JSON, "text/plain", None])
async def test_no_body_is_no_parameters_whatever_it_is_called(content_type: str | None) -> None:
    assert (await read_form_or_json(request(b"", content_type))).fields == ()


async def test_the_references_operations_pass_over_json() -> None:
    form = await read_form(request(b'{"Description": "d"}', JSON))

    assert (form.fields, form.note) == (
        (),
        ": the body must be application/x-www-form-urlencoded, not application/json",
    )


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), values, max_size=5))
async def test_any_object_is_fields_of_text(given: dict[str, object]) -> None:
    body = orjson.dumps(given, option=orjson.OPT_NON_STR_KEYS)

    form = await read_form_or_json(request(body, JSON))

    assert all(isinstance(text, str) for _, text in form.fields)
