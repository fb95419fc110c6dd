"""The Segment sink: configuration, the mapping of events, its bounds, and what answers mean."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson
import pytest
from aiohttp import web
from pydantic import ValidationError

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec, Projection
from eventstreams.sinks import (
    HIDDEN,
    DeadReason,
    Delivered,
    DeliveryOutcome,
    DestinationGuard,
    OutboundEvent,
    Rejected,
    RetryLater,
    RetryReason,
    Sink,
)
from sink_workers.plugins.segment import PLUGIN
from sink_workers.plugins.segment.config import SegmentConfig
from sink_workers.plugins.segment.judge import judge
from sink_workers.plugins.segment.request import MAX_REQUEST_BYTES, Mapper
from tests.support.segment import Source, running_source
from tests.support.webhooks import LOOPBACK, context, event, raw_server, read_request

NOW = datetime(2026, 3, 29, 4, 0, 0, tzinfo=UTC)


def call_of(sent: OutboundEvent, **configuration: object) -> dict[str, object]:
    config = SegmentConfig.model_validate({"write_key": "key", **configuration})
    found: dict[str, object] = orjson.loads(Mapper(config, user_agent="eventstreams/9").track(sent))
    return found


def about(data: dict[str, object], **attributes: object) -> OutboundEvent:
    return replace(event(1), data=data, identity_fields={"phone": "to"}, **attributes)  # type: ignore[arg-type]


@asynccontextmanager
async def opened(source: Source, *, guard: DestinationGuard = LOOPBACK) -> AsyncIterator[Sink]:
    config = SegmentConfig.model_validate({"write_key": source.write_key, "endpoint": source.endpoint})
    sink = await PLUGIN.open(config, context(guard))
    try:
        yield sink
    finally:
        await sink.aclose()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"write_key": ""}, "it must be non-empty printable ASCII"),
        ({"write_key": "two words"}, "printable ASCII without spaces or colons"),
        ({"write_key": "key", "region": "asia"}, "Input should be 'us' or 'eu'"),
        ({"write_key": "key", "endpoint": "ftp://example.com"}, "it must be an http or https URL with a host"),
        ({"write_key": "key", "endpoint": "https://a:b@example.com"}, "it must have no user, query or fragment"),
        ({"write_key": "key", "endpoint": "https://example.com/?"}, "it must have no user, query or fragment"),
        ({"write_key": "key", "endpoint": "https://example.com/#"}, "it must have no user, query or fragment"),
        ({"write_key": "key", "user_id": "a..b"}, "String should match pattern"),
        ({"write_key": "key", "event_names": {"a": ""}}, "at least 1 character"),
        ({"write_key": "key", "writekey": "key"}, "Extra inputs are not permitted"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_with_a_sentence(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        SegmentConfig.model_validate(given)

    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "https://api.segment.io/v1/batch"),
        ({"region": "eu"}, "https://events.eu1.segmentapis.com/v1/batch"),
        ({"endpoint": "https://rudder.example.com/"}, "https://rudder.example.com/v1/batch"),
    ],
)
def test_the_region_or_an_endpoint_says_where_to(given: dict[str, object], url: str) -> None:
    assert SegmentConfig.model_validate({"write_key": "key", **given}).url == url


def test_the_api_shows_what_was_given_without_the_key() -> None:
    assert PLUGIN.public(SegmentConfig.model_validate({"write_key": "key"})) == {"write_key": HIDDEN}
    assert PLUGIN.public(SegmentConfig.model_validate({"write_key": "key", "region": "eu"})) == {
        "write_key": HIDDEN,
        "region": "eu",
    }


def test_an_event_becomes_a_track_call_about_the_person_that_its_schema_marks() -> None:
    assert call_of(about({"to": "+491701234567", "body": "hi"})) == {
        "type": "track",
        "event": "com.acme.thing.made",
        "messageId": "EZ1",
        "timestamp": "2026-03-29T04:01:02.345Z",
        "userId": "+491701234567",
        "properties": {"to": "+491701234567", "body": "hi"},
        "context": {
            "library": {"name": "eventstreams", "version": "9"},
            "traits": {"phone": "+491701234567"},
            "cloudevent": {
                "specversion": "1.0",
                "type": "com.acme.thing.made",
                "source": "/things/1",
                "dataschema": "https://schemas/Acme.Thing/1",
            },
        },
    }


@pytest.mark.parametrize("data", [{}, {"to": None}, {"to": ""}, {"to": True}, {"to": {"a": 1}}])
def test_an_event_about_nobody_known_is_anonymous_and_of_its_resource(data: dict[str, object]) -> None:
    calls = [call_of(about(data, partition_key="/calls/1")), call_of(about({"b": 1}, partition_key="/calls/1"))]

    assert "userId" not in calls[0]
    assert calls[0]["anonymousId"] == calls[1]["anonymousId"] == hashlib.sha256(b"AC1 /calls/1").hexdigest()


def test_the_mapping_can_be_overridden() -> None:
    sent = about({"to": "+49170", "customer": {"id": 7}})

    named = call_of(sent, user_id="customer.id", event_names={"com.acme.thing.made": "Thing Made"})
    hashed = call_of(sent, hash_user_id=True)

    assert (named["userId"], named["event"]) == ("7", "Thing Made")
    assert hashed["userId"] == hashlib.sha256(b"+49170").hexdigest()
    for call in (named, hashed):
        assert isinstance(call["context"], dict)
        assert "traits" not in call["context"]


def test_ids_that_segment_would_refuse_are_their_hashes() -> None:
    call = call_of(about({"to": "x" * 300}, id="E" * 100))

    assert (call["messageId"], call["userId"]) == (
        hashlib.sha256(b"E" * 100).hexdigest(),
        hashlib.sha256(b"x" * 300).hexdigest(),
    )


def test_every_schema_for_segment_marks_whom_its_events_are_about_in_the_version_that_is_delivered() -> None:
    catalog = Catalog.load()
    codec = Codec(catalog, schema_base_url="https://schemas.example.com")
    schema = catalog.schemas["Messaging.MessageStatus"]
    name = codec.dataschema(schema.latest)

    for version in (None, 4):
        projection = codec.projection(name, version)
        assert isinstance(projection, Projection)
        assert projection.identities == {"phone": "to"}


async def test_a_batch_is_one_request_and_is_cut_where_its_mapping_makes_it_too_large() -> None:
    small = [event(number) for number in range(3)]
    large = [replace(event(100 + number), data={"a": "x" * 30_000}) for number in range(20)]

    async with running_source() as source, opened(source) as sink:
        outcomes = [*await sink.deliver(small), *await sink.deliver(large)]

    assert outcomes == [Delivered()] * 23
    assert source.batches == [3, 15, 5]
    assert MAX_REQUEST_BYTES > 15 * 30_000
    assert [call["messageId"] for call in source.calls] == [each.id for each in [*small, *large]]


async def test_a_request_that_is_throttled_waits_as_long_as_it_is_told() -> None:
    async with running_source() as source, opened(source) as sink:
        source.answer = lambda: web.Response(status=429, headers={"Retry-After": "30"})
        before = datetime.now(UTC)
        [outcome] = await sink.deliver([event(1)])

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.THROTTLED
    assert outcome.not_before is not None
    assert outcome.not_before - before >= timedelta(seconds=30)


async def test_an_address_that_is_not_public_is_not_connected_to() -> None:
    async with running_source() as source, opened(source, guard=DestinationGuard()) as sink:
        [outcome] = await sink.deliver([event(1)])

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.DESTINATION_FORBIDDEN
    assert source.receiver.received == []


def judged(status: int, body: bytes = b"", *, events: int = 1, is_whole: bool = True) -> DeliveryOutcome:
    return judge(status, body, is_whole=is_whole, retry_after=None, answer="why", events=events, now=NOW)


@pytest.mark.parametrize("body", [b"", b"OK", b"{}", b'{"success": true}'])
def test_success_is_delivered(body: bytes) -> None:
    assert judged(200, body) == Delivered()


@pytest.mark.parametrize("body", [b"<html>" + b"x" * 20_000, b"OK", b'{"success": true}'], ids=lambda each: each[:9])
def test_an_answer_that_is_not_whole_but_no_part_of_a_refusal_is_delivered(body: bytes) -> None:
    assert judged(200, body, is_whole=False) == Delivered()


@pytest.mark.parametrize("body", [b"", b"{", b' {"message": "x', b'{"success": false}'])
def test_an_answer_that_may_be_a_refusal_whose_end_is_missing_is_tried_again(body: bytes) -> None:
    outcome = judged(200, body, is_whole=False)

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.BAD_ANSWER


_REFUSAL: Final = b'{"message": "' + b"x" * 20_000 + b'", "success": false}'
_ANSWERS: Final[Mapping[str, tuple[bytes, bool]]] = {
    "no body": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    "as Segment": (b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"success": true}', True),
    "nothing, until it hangs up": (b"HTTP/1.0 200 OK\r\n\r\n", True),
    "a word, until it hangs up": (b"HTTP/1.0 200 OK\r\n\r\nOK", True),
    "longer than is read": (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(_REFUSAL) + _REFUSAL, False),
    "cut off": (b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"succ', False),
    "cut off before a word": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", False),
    "a chunk is missing": (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{"succ\r\n', False),
    "compressed": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08", False),
}


@pytest.mark.parametrize(("answer", "is_taken"), _ANSWERS.values(), ids=_ANSWERS)
async def test_a_refusal_that_cannot_be_read_to_its_end_is_never_taken_for_a_delivery(
    *, answer: bytes, is_taken: bool
) -> None:
    requests: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(answer)
        await writer.drain()

    async with raw_server(talk) as url:
        config = SegmentConfig.model_validate({"write_key": "the-key", "endpoint": url})
        sink = await PLUGIN.open(config, context())
        try:
            [outcome] = await sink.deliver([event(1)])
        finally:
            await sink.aclose()

    assert isinstance(outcome, Delivered if is_taken else RetryLater)
    assert isinstance(outcome, Delivered) or outcome.reason is RetryReason.BAD_ANSWER
    assert b"Accept-Encoding: identity" in requests[0]


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b'{"success": false}', RetryReason.BAD_ANSWER),
        (401, b"", RetryReason.SINK_UNUSABLE),
        (403, b"", RetryReason.SINK_UNUSABLE),
        (429, b"", RetryReason.THROTTLED),
        (500, b"", RetryReason.SERVER_ERROR),
        (503, b"", RetryReason.SERVER_ERROR),
        (302, b"", RetryReason.REDIRECTED),
    ],
)
def test_what_time_or_people_can_mend_is_tried_again(status: int, body: bytes, reason: RetryReason) -> None:
    outcome = judged(status, body, events=9)

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is reason


def test_a_refused_body_is_tried_event_by_event_and_then_dead() -> None:
    together = judged(400, events=2)

    assert isinstance(together, RetryLater)
    assert together.reason is RetryReason.BAD_ANSWER
    assert judged(400) == Rejected(DeadReason.REFUSED, "HTTP 400", 400, "why")
