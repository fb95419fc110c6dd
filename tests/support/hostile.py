"""Hypothesis strategies for requests that break the API's document: every part of them may be wrong."""

import json
from collections.abc import Callable
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

from control_api.operations import ALL
from tests.support.fuzzing import FORM, Request

HOSTILE = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF), min_size=1, max_size=4),
    st.sampled_from(["", "\0", " ", "9" * 5000, "-1", "1e400", "NaN", "null", "[]", "{}", '"', "\u202e", "😀" * 99]),
    st.integers(min_value=-(1 << 80), max_value=1 << 80).map(str),
    st.sampled_from(["true", "FALSE", "²", "٣", "1_000", "+1", "0x10", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"]),
    st.sampled_from(["2026-03-29T04:00:00+99:99", "2026-02-30T04:00:00Z", "../../etc", "<script>", "'; drop table"]),
)
DEEP = st.sampled_from(["[" * 5000, "[" * 5000 + "]" * 5000, '{"a":' * 3000 + "1" + "}" * 3000, "(" * 400 + ")" * 400])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
).map(json.dumps)  # without too large numbers, but with NaN
LONE = st.sampled_from(['{"type": "\\ud800"}', '{"destination": "https://\\udfff"}', '"\\ud800\\ud800"'])
VALUES = HOSTILE | DEEP | JSON | LONE
NAMES = sorted({"PageSize", "Page", *(each.name for operation in ALL for each in (*operation.form, *operation.query))})
FIELDS = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=9), VALUES), max_size=6)


def encoded(fields: list[tuple[str, str]]) -> bytes:
    return urlencode(fields, errors="surrogatepass").encode()


BODIES = st.one_of(
    FIELDS.map(encoded),
    FIELDS.flatmap(lambda fields: st.binary(max_size=9).map(lambda junk: encoded(fields) + junk)),
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"Description=%",
            b"Description=%zz&SinkType=%C3%28",
            b"Description=\xff\xfe",
            b"Description=%00&SinkType=webhook",
            b"&&&===&;",
            b"a=b&" * 2_100,
            b"a&" * 10_000,
            b"Types=%7B%7D&" * 1_500,
            b"Description=a&" * 900 + b"Description=b",
            b"%F0%9F%98=1&Description=%ED%A0%80",
            b"\x1f\x8b\x08\x00",
        ]
    ),
)
CONTENT_TYPES = st.sampled_from(
    [
        FORM,
        FORM,
        FORM,
        f"{FORM}; charset=utf-16",
        f"{FORM}; charset=nonsense",
        f'{FORM}; charset="',
        FORM.upper(),
        "application/json",
        "application/json; charset=klingon",
        "text/html",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        ";",
        "é/ü",
        "",
        "a" * 2000,
        "*/*",
    ]
)
HEADERS = st.lists(
    st.sampled_from(
        [
            ("Idempotency-Key", ""),
            ("Idempotency-Key", "é"),
            ("Idempotency-Key", "k" * 256),
            ("Idempotency-Key", '"'),
            ("Content-Encoding", "gzip"),
            ("Content-Encoding", "br"),
            ("Content-Encoding", "deflate, gzip"),
            ("Expect", "nonsense"),
            ("Range", "bytes=0-"),
            ("If-None-Match", '"'),
            ("If-Modified-Since", "never"),
            ("Accept", "text/html"),
            ("Accept-Encoding", "\udcff"),
            ("X-Forwarded-For", "999.1.1.1, ::::"),
            ("Forwarded", 'for="'),
            ("Cookie", "=;=;\udcff=\udcfe"),
            ("EventStreams-Forwarded", "gAAAA"),
            ("Origin", "null"),
        ]
    ),
    max_size=3,
)
SEGMENTS = st.one_of(
    st.text(max_size=20).map(lambda each: quote(each, safe="", errors="surrogatepass")),
    st.sampled_from(
        [
            "%2F",
            "..",
            "%2E%2E",
            "%00",
            "%",
            "%zz",
            "%ff",
            "%ED%A0%80",
            ".json",
            "%5C",
            "a" * 3000,
            "%0d%0aX:1",
            "~",
            "*",
            "{sid}",
        ]
    ),
)
METHODS = st.sampled_from(
    ["GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get", "X-1"]
)
PATHS = [each.path for each in ALL]


@st.composite
def requests(draw: st.DrawFn, names: Callable[[str], dict[str, str]]) -> Request:
    """A request to a path of the API, or nearly one; method, query, headers and body may all be wrong.

    ``names`` returns path parameters with which the resource exists.
    """
    template = draw(st.sampled_from(PATHS))
    method = draw(METHODS | st.sampled_from([each.method for each in ALL if each.path == template]))
    known = names(template) if method != "DELETE" and draw(st.booleans()) else {}
    parts = [draw(SEGMENTS) if part.startswith("{") else part for part in template.split("/")]
    path = template.format(**known) if known and template.count("{") == len(known) else "/".join(parts)
    if draw(st.integers(0, 9)) == 0:
        path += draw(st.sampled_from(["/", "//", "/.", "/%2F", ";a=b", "%3F", "%00"]))
    query = draw(st.one_of(st.just(""), st.just(""), FIELDS.map(lambda fields: encoded(fields).decode()), SEGMENTS))
    body = draw(st.none() | BODIES) if method != "GET" else None
    return Request(
        method,
        f"{path}?{query}" if query else path,
        body,
        None if body is None else draw(CONTENT_TYPES),
        draw(HEADERS),
    )
