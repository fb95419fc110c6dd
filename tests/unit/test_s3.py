"""The S3 plugin's pure parts: configuration, objects, and what S3's answers mean."""

import base64
import gzip
import hashlib
import re
from dataclasses import replace
from io import BytesIO
from typing import Final

import avro.datafile
import avro.io
import fastavro
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec, Projection
from eventstreams.sinks import HIDDEN, Delivered, NoSchemaError, OutboundEvent, RetryLater, RetryReason, shown
from sink_workers.archive.bucket import ArchiveError
from sink_workers.archive.reader import read_object
from sink_workers.plugins.aws.refusal import Refusal
from sink_workers.plugins.s3 import PLUGIN
from sink_workers.plugins.s3.config import S3Config
from sink_workers.plugins.s3.judge import code_of, judge, judge_probe
from sink_workers.plugins.s3.objects import StoredObject, pack, partitions
from sink_workers.plugins.webhook.client import Answer
from tests.support.events import SENT, message_event
from tests.support.page import blocks_of
from tests.support.s3 import events_in
from tests.support.snippet_kinds import ROOT
from tests.support.webhooks import event

ROLE: Final = {"role_arn": "arn:aws:iam::123456789012:role/events", "external_id": "a-long-one"}
KEY: Final = {"access_key_id": "AKIAOFASUBSCRIBER001", "secret_access_key": "the-secret"}
SCHEMA: Final = orjson.dumps(
    {"type": "record", "name": "Thing", "fields": [{"name": "text", "type": ["null", "string"], "default": None}]}
).decode()


def config(**given: object) -> S3Config:
    return S3Config.model_validate({"bucket": "events", **KEY, **given})


def packed(events: list[OutboundEvent], **given: object) -> list[StoredObject]:
    parts = partitions(events)
    return [pack(config(**given), part, [events[each] for each in where]) for part, where in parts.items()]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"bucket": "Events", **KEY}, "String should match pattern"),
        ({"bucket": "events"}, "role_arn and external_id must be given"),
        ({"bucket": "events", **ROLE, **KEY}, "give either role_arn and external_id, or access_key_id"),
        ({"bucket": "events", **ROLE, "endpoint": "https://minio.example.com"}, "with an endpoint, give access_key_id"),
        ({"bucket": "events", **ROLE, "region": "cn-north-1"}, "role_arn must be in the partition of region"),
        ({"bucket": "events", **KEY, "region": "evil.com/x-1"}, "String should match pattern"),
        ({"bucket": "events", **KEY, "region": "garage"}, "without an endpoint, region must be an AWS region"),
        ({"bucket": "events", **KEY, "access_key_id": "minioadmin"}, "access_key_id must be an AWS access key"),
        ({"bucket": "events", **KEY, "access_key_id": "a/b"}, "String should match pattern"),
        ({"bucket": "events", **KEY, "endpoint": "ftp://example.com"}, "it must be an http or https URL"),
        ({"bucket": "events", **KEY, "endpoint": "https://a:b@example.com"}, "it must have no user, query or fragment"),
        ({"bucket": "events", **KEY, "prefix": "/events"}, "String should match pattern"),
        ({"bucket": "events", **KEY, "prefix": "a/../b"}, "none of its parts may be . or .."),
        ({"bucket": "events", **KEY, "lock_mode": "compliance"}, "lock_mode and retain_days must be given together"),
        ({"bucket": "events", **KEY, "max_events": 4001}, "less than or equal to 4000"),
        ({"bucket": "events", **KEY, "compression": "zip"}, "Extra inputs are not permitted"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_with_a_sentence(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        S3Config.model_validate(given)

    assert words in str(raised.value)
    assert KEY["secret_access_key"] not in str(raised.value)


@pytest.mark.parametrize(
    ("region", "key"),
    [
        ("us-east-1", "minioadmin"),
        ("us-west-004", "0042d9f1a1c4b5e0000000001"),
        ("fr-par", "SCW0000000000000000A"),
        ("garage", "GK31c2f218a2e44f485b94239e"),
        ("auto", "0123456789abcdef0123456789abcdef"),
        ("gra", "events-writer@acme"),
    ],
    ids=["MinIO", "Backblaze", "Scaleway", "Garage", "R2", "others"],
)
def test_servers_of_others_have_regions_and_keys_in_words_of_their_own(region: str, key: str) -> None:
    found = config(endpoint="https://s3.example.com", region=region, access_key_id=key)

    assert (found.region, found.access_key_id) == (region, key)


def test_the_api_shows_what_was_given_without_the_secret() -> None:
    assert shown(config(prefix="a/b")) == {"bucket": "events", **KEY, "prefix": "a/b", "secret_access_key": HIDDEN}


def test_the_role_is_assumed_for_writing_below_the_prefix_alone() -> None:
    found = S3Config.model_validate({"bucket": "events", **ROLE, "prefix": "acme"}).allowed

    assert [resource for _, resource in found] == ["arn:aws:s3:::events/acme/*", "arn:aws:s3:::events", "*"]


def test_a_batch_waits_as_its_subscriber_asks_and_stays_together() -> None:
    found = PLUGIN.capabilities(config(max_events=100, max_bytes=100_000, max_age_s=5))

    assert (found.max_batch_events, found.max_batch_bytes, found.linger_s) == (100, 100_000, 5.0)
    assert found.tried_together


def test_objects_are_of_one_day_type_and_schema() -> None:
    base = event(1)
    batch = [
        base,
        replace(base, id="EZ2", time="2026-03-30T00:00:00.000Z"),
        replace(base, id="EZ3", type="com.acme.other made"),
        replace(base, id="EZ4", dataschema="https://schemas/Acme.Thing/2"),
        replace(base, id="EZ5", time="yesterday"),
        replace(base, id="EZ6"),
    ]

    objects = packed(batch, format="jsonl", prefix="a/b")

    assert [each.key.rpartition("/")[0] for each in objects] == [
        "a/b/day=2026-03-29/type=com.acme.thing.made",
        "a/b/day=2026-03-30/type=com.acme.thing.made",
        "a/b/day=2026-03-29/type=com.acme.other%20made",
        "a/b/day=2026-03-29/type=com.acme.thing.made",
        "a/b/day=unknown/type=com.acme.thing.made",
    ]
    rows = events_in({each.key: each.body for each in objects})
    assert sorted(str(row["id"]) for _, row in rows) == [f"EZ{number}" for number in range(1, 7)]


def test_the_name_that_docs_sinks_s3_md_shows_is_that_of_an_object() -> None:
    [shown] = [each.text for each in blocks_of(ROOT / "docs/sinks/s3.md") if each.text.startswith("events/day=")]

    [found] = packed([replace(event(1), type=SENT, avro_schema=SCHEMA, avro=b"\x02\x02x")], prefix="events")

    start, end = shown.split("0f3c…")
    assert re.fullmatch(f"{re.escape(start)}[0-9a-f]+{re.escape(end)}", found.key)


@pytest.mark.parametrize("form", ["avro", "jsonl"])
def test_the_same_events_make_the_same_object_and_others_another(form: str) -> None:
    events = [replace(event(number, text="x"), avro_schema=SCHEMA, avro=b"\x02\x02x") for number in range(3)]

    first, again, fewer = (packed(each, format=form)[0] for each in (events, events, events[1:]))

    assert first == again
    assert first.key != fewer.key
    assert first.key.rpartition("/")[2].startswith("20260329T040102345Z-")


def test_lines_are_stored_as_gzip_without_a_time_and_any_reader_of_it_reads_them() -> None:
    events = [event(number, text="x" * number) for number in range(300)]

    [stored] = packed(events, format="jsonl")

    lines = gzip.decompress(stored.body).splitlines()
    assert [orjson.loads(line)["id"] for line in lines] == [each.id for each in events]
    assert stored.body[4:8] == bytes(4)
    assert len(stored.body) < sum(map(len, lines)) / 5


def test_avro_of_the_producer_is_stored_byte_for_byte_and_other_readers_read_it() -> None:
    codec = Codec(Catalog.load(), schema_base_url="https://schemas")
    made = message_event("AC" + "1" * 32, 1)
    newest = Catalog.load().newest_schema(SENT)
    assert newest is not None
    dataschema = codec.dataschema(newest)
    value = codec.encode(newest, made.data)
    projection = codec.projection(dataschema, None)
    assert isinstance(projection, Projection)
    sent = replace(event(1, **made.data), dataschema=dataschema, avro_schema=projection.avro_schema, avro=value)

    [stored] = packed([sent])

    [row] = fastavro.reader(BytesIO(stored.body))
    [theirs] = avro.datafile.DataFileReader(BytesIO(stored.body), avro.io.DatumReader())
    assert projection.is_as_written
    assert isinstance(row, dict)
    assert row == theirs
    assert {name: each for name, each in row["data"].items() if each is not None} == made.data
    [back] = read_object(stored.key, stored.body)
    assert codec.encode(newest, back.data) == value


def test_data_of_another_version_is_encoded_anew() -> None:
    projected = replace(event(1), avro_schema=SCHEMA, avro=None)

    [stored] = packed([projected, replace(projected, id="EZ2", data={"text": "x"})])

    assert [each.data for each in read_object(stored.key, stored.body)] == [{}, {"text": "x"}]


def test_an_event_without_a_schema_cannot_be_avro() -> None:
    with pytest.raises(NoSchemaError):
        packed([event(1)])


_TEXTS = st.text(max_size=300)


@given(
    st.lists(
        st.builds(
            OutboundEvent,
            id=_TEXTS,
            type=st.just("com.acme.thing.made"),
            source=_TEXTS,
            time=st.just("2026-03-29T04:01:02.345Z"),
            dataschema=st.just("https://schemas/Acme.Thing/1"),
            account_sid=st.just("AC1"),
            data=st.fixed_dictionaries({"text": _TEXTS}),
            subject=st.none() | _TEXTS,
            partition_key=st.none() | _TEXTS,
            avro_schema=st.just(SCHEMA),
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(["avro", "jsonl"]),
)
def test_what_is_read_back_is_what_was_stored(events: list[OutboundEvent], form: str) -> None:
    [stored] = packed(events, format=form)

    back = list(read_object(stored.key, stored.body))

    assert [(each.id, each.source, each.subject, each.partition_key, each.data) for each in back] == [
        (each.id, each.source, each.subject, each.partition_key, each.data) for each in events
    ]
    assert {(each.account_sid, each.dataschema) for each in back} == {("AC1", events[0].dataschema)}


def test_an_object_of_many_events_has_blocks_that_can_be_read_one_by_one() -> None:
    events = [replace(event(number, text="x"), avro_schema=SCHEMA, avro=b"\x02\x02x") for number in range(2500)]

    [stored] = packed(events)

    assert [block.num_records for block in fastavro.block_reader(BytesIO(stored.body))] == [1000, 1000, 500]
    assert [each.id for each in read_object(stored.key, stored.body)] == [each.id for each in events]


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("a.avro", b""),
        ("a.avro", b"Obj\x01nonsense"),
        ("a.jsonl.gz", b"no gzip"),
    ],
)
def test_an_object_that_is_damaged_is_named(key: str, body: bytes) -> None:
    with pytest.raises(ArchiveError, match=key):
        list(read_object(key, body))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Refusal(503, "SlowDown", ""), RetryReason.THROTTLED),
        (Refusal(429, "", ""), RetryReason.THROTTLED),
        (Refusal(403, "ExpiredToken", ""), RetryReason.ROLE_REFUSED),
        (Refusal(403, "InvalidAccessKeyId", ""), RetryReason.ROLE_REFUSED),
        (Refusal(403, "SignatureDoesNotMatch", ""), RetryReason.ROLE_REFUSED),
        (Refusal(403, "AccessDenied", ""), RetryReason.SINK_UNUSABLE),
        (Refusal(404, "NoSuchBucket", ""), RetryReason.SINK_UNUSABLE),
        (Refusal(500, "InternalError", ""), RetryReason.SERVER_ERROR),
        (Refusal(503, "ServiceUnavailable", ""), RetryReason.SERVER_ERROR),
        (Refusal(301, "PermanentRedirect", ""), RetryReason.REDIRECTED),
        (Refusal(400, "BadDigest", ""), RetryReason.BAD_ANSWER),
        (Answer(200, None, b"hello"), RetryReason.BAD_ANSWER),
        (RetryLater(RetryReason.TIMED_OUT), RetryReason.TIMED_OUT),
    ],
)
def test_nothing_that_s3_answers_is_a_dead_letter(answer: Answer | Refusal | RetryLater, reason: RetryReason) -> None:
    outcome = judge(answer)

    assert isinstance(outcome, RetryLater)
    assert (outcome.reason, outcome.status) == (reason, None)


def test_an_object_is_stored_where_s3_names_its_etag() -> None:
    assert judge(Answer(200, None, b"", etag='"1"')) == Delivered()


def test_a_probe_wants_a_list() -> None:
    assert judge_probe(Answer(200, None, b"<?xml?><ListBucketResult>")) == Delivered()
    assert isinstance(judge_probe(Answer(200, None, b"<html>")), RetryLater)
    assert isinstance(judge_probe(Refusal(404, "NoSuchBucket", "")), RetryLater)


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"<Error><Code>SlowDown</Code></Error>", "SlowDown"), (b"<Code>a b</Code>", ""), (b"\xff", ""), (b"", "")],
)
def test_the_code_of_an_error_is_found(body: bytes, code: str) -> None:
    assert code_of(body) == code


def test_md5_is_of_the_body() -> None:
    [stored] = packed([event(1)], format="jsonl")

    assert stored.md5 == base64.b64encode(hashlib.md5(stored.body).digest()).decode()
