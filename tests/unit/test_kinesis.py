"""The Kinesis plugin's pure parts: configuration, requests, and what AWS' answers mean."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs

import orjson
import pytest
from pydantic import ValidationError

from eventstreams.sinks import HIDDEN, DeadReason, Delivered, DeliveryOutcome, Rejected, RetryLater, RetryReason
from sink_workers.plugins.aws.access import url_of
from sink_workers.plugins.aws.keys import assume_role, read_role
from sink_workers.plugins.aws.refusal import Refusal
from sink_workers.plugins.kinesis import PLUGIN
from sink_workers.plugins.kinesis.config import KinesisConfig
from sink_workers.plugins.kinesis.judge import judge_records, judge_refusal
from sink_workers.plugins.kinesis.request import (
    MAX_RECORD_BYTES,
    MAX_RECORDS,
    MAX_REQUEST_BYTES,
    Record,
    allowed,
    as_records,
    put_records,
)
from tests.support.live_page import same_shape
from tests.support.page import blocks_of
from tests.support.snippet_kinds import ROOT
from tests.support.webhooks import event

ARN = "arn:aws:kinesis:eu-central-1:123456789012:stream/events"
ROLE = {"role_arn": "arn:aws:iam::123456789012:role/events", "external_id": "a-long-one"}
KEY = {"access_key_id": "AKIAOFASUBSCRIBER001", "secret_access_key": "the-secret"}
NOW = datetime(2026, 3, 29, 4, 0, 0, tzinfo=UTC)


def config(**given: object) -> KinesisConfig:
    return KinesisConfig.model_validate({"arn": ARN, **given})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"arn": "events", **ROLE}, "it must be the ARN of a stream"),
        ({"arn": "arn:aws:kinesis:a.evil/x-1:123456789012:stream/events", **ROLE}, "it must be the ARN of a stream"),
        (
            {"arn": "arn:aws:kinesis:eu-central-1:123456789012:stream/events\n", **ROLE},
            "it must be the ARN of a stream",
        ),
        ({"arn": ARN.replace("eu-central-1", "cn-north-1"), **ROLE}, "the ARN must begin with arn:aws-cn:"),
        ({"arn": ARN}, "role_arn and external_id must be given"),
        ({"arn": ARN, "role_arn": ROLE["role_arn"]}, "external_id must be given"),
        ({"arn": ARN, **ROLE, "role_arn": "arn:aws:iam::1:role/x"}, "it must be the ARN of a role"),
        ({"arn": ARN, **ROLE, "role_arn": "arn:aws-cn:iam::123456789012:role/x"}, "in the partition of arn"),
        ({"arn": ARN, **ROLE, **KEY}, "give either role_arn and external_id, or access_key_id"),
        ({"arn": ARN, "access_key_id": KEY["access_key_id"]}, "must be given together"),
        ({"arn": ARN, **ROLE, "endpoint": "http://10.0.0.1"}, "Extra inputs are not permitted"),
        ({"arn": ARN, **ROLE, "partition_key": "random"}, "Input should be 'event_id', 'account_sid' or 'event_key'"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_with_a_sentence(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        KinesisConfig.model_validate(given)

    assert words in str(raised.value)
    assert KEY["secret_access_key"] not in str(raised.value)


@pytest.mark.parametrize(
    ("region", "partition", "url"),
    [
        ("eu-central-1", "aws", "https://kinesis.eu-central-1.amazonaws.com/"),
        ("us-gov-west-1", "aws-us-gov", "https://kinesis.us-gov-west-1.amazonaws.com/"),
        ("cn-north-1", "aws-cn", "https://kinesis.cn-north-1.amazonaws.com.cn/"),
    ],
)
def test_the_region_of_the_stream_says_where_to(region: str, partition: str, url: str) -> None:
    arn = f"arn:{partition}:kinesis:{region}:123456789012:stream/events"

    assert url_of("kinesis", config(arn=arn, **KEY).region) == url


def test_the_api_shows_what_was_given_without_the_secret() -> None:
    assert PLUGIN.public(config(**ROLE)) == {"arn": ARN, **ROLE}
    assert PLUGIN.public(config(**KEY, partition_key="event_key")) == {
        "arn": ARN,
        "access_key_id": KEY["access_key_id"],
        "secret_access_key": HIDDEN,
        "partition_key": "event_key",
    }


def test_a_record_is_one_event_with_its_id_as_the_partition_key() -> None:
    records = as_records([event(1), event(2)], "event_id")

    body = orjson.loads(put_records(ARN, records))

    assert body["StreamARN"] == ARN
    assert [each["PartitionKey"] for each in body["Records"]] == ["EZ1", "EZ2"]
    assert [base64.b64decode(each["Data"]) for each in body["Records"]] == [event(1).json(), event(2).json()]


def test_the_record_that_docs_sinks_kinesis_md_shows_is_one() -> None:
    [shown] = [each for each in blocks_of(ROOT / "docs/sinks/kinesis.md") if '"specversion"' in each.text]

    [record] = orjson.loads(put_records(ARN, as_records([event(1)], "event_id")))["Records"]

    same_shape(shown, orjson.loads(base64.b64decode(record["Data"])))


def test_the_partition_key_can_be_the_event_s_own_or_its_account() -> None:
    keyed = replace(event(1), partition_key="/calls/1")

    assert [as_records([keyed], each)[0].key for each in ("event_key", "account_sid")] == ["/calls/1", "AC1"]
    assert as_records([event(1)], "event_key")[0].key == "EZ1"


def test_a_partition_key_that_kinesis_would_refuse_is_its_hash() -> None:
    long = replace(event(1), id="\N{SNOWMAN}" * 257)

    [record] = as_records([long], "event_id")

    assert (len(record.key), record.key) == (64, as_records([long], "event_id")[0].key)


@pytest.mark.parametrize(("size", "is_too_large"), [(MAX_RECORD_BYTES - 3, False), (MAX_RECORD_BYTES - 2, True)])
def test_data_and_partition_key_count_together(size: int, is_too_large: bool) -> None:  # noqa: FBT001 - a table
    assert Record(b"x" * size, "EZ1").is_too_large is is_too_large


def test_a_batch_within_its_bounds_is_a_request_within_those_of_aws() -> None:
    found = PLUGIN.capabilities(config(**KEY))

    assert found.max_batch_events == MAX_RECORDS
    assert found.max_batch_bytes + MAX_RECORDS * 4 * 256 <= MAX_REQUEST_BYTES


def refused(code: str, status: int = 400, *, records: int = 1) -> DeliveryOutcome:
    return judge_refusal(Refusal(status, code, "why"), records=records)


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        ("ProvisionedThroughputExceededException", 400, RetryReason.THROTTLED),
        ("LimitExceededException", 400, RetryReason.THROTTLED),
        ("KMSThrottlingException", 400, RetryReason.THROTTLED),
        ("", 429, RetryReason.THROTTLED),
        ("ExpiredTokenException", 400, RetryReason.ROLE_REFUSED),
        ("UnrecognizedClientException", 400, RetryReason.ROLE_REFUSED),
        ("InvalidSignatureException", 403, RetryReason.ROLE_REFUSED),
        ("KMSDisabledException", 400, RetryReason.STREAM_ERROR),
        ("KMSAccessDeniedException", 400, RetryReason.STREAM_ERROR),
        ("AccessDeniedException", 400, RetryReason.WRITE_FAILED),
        ("InternalFailure", 500, RetryReason.WRITE_FAILED),
        ("ServiceUnavailable", 503, RetryReason.WRITE_FAILED),
        ("", 502, RetryReason.WRITE_FAILED),
        ("SomethingNew", 418, RetryReason.WRITE_FAILED),
    ],
)
def test_a_refusal_that_time_or_people_can_mend_is_tried_again(code: str, status: int, reason: RetryReason) -> None:
    assert refused(code, status, records=7) == RetryLater(reason, f"HTTP {status} {code}".strip(), answer="why")


def test_a_stream_that_is_not_there_is_a_dead_letter() -> None:
    detail = "HTTP 400 ResourceNotFoundException"

    assert refused("ResourceNotFoundException") == Rejected(DeadReason.NO_SUCH_STREAM, detail, 400, "why")


@pytest.mark.parametrize("code", ["InvalidArgumentException", "SerializationException", "ValidationException"])
def test_records_that_are_refused_together_are_tried_alone(code: str) -> None:
    alone = refused(code, records=2)

    assert isinstance(alone, RetryLater)
    assert (alone.reason, alone.status) == (RetryReason.BAD_ANSWER, 400)  # with it the worker knows that the sink works
    assert refused(code) == Rejected(DeadReason.REFUSED, f"HTTP 400 {code}", 400, "why")


def test_a_request_that_is_too_large_for_one_event_is_a_dead_letter() -> None:
    assert refused("", 413) == Rejected(DeadReason.TOO_LARGE, "HTTP 413", 413, "why")


TAKEN = {"SequenceNumber": "4954", "ShardId": "shardId-000000000000"}
THROTTLED = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded for shard 1"}
FAILED = {"ErrorCode": "InternalFailure", "ErrorMessage": "Internal Service Failure"}


def reasons(*entries: object) -> list[str]:
    outcomes = judge_records(orjson.dumps({"Records": entries}), records=len(entries))
    return [each.reason if isinstance(each, RetryLater) else type(each).__name__ for each in outcomes]


def test_each_record_is_judged_by_the_entry_at_its_position() -> None:
    assert reasons(TAKEN, THROTTLED, FAILED, TAKEN) == ["Delivered", "write_failed", "write_failed", "Delivered"]


def test_throttled_entries_slow_the_sink_down_only_where_nothing_was_taken() -> None:
    assert reasons(THROTTLED, THROTTLED) == ["throttled", "throttled"]
    assert reasons(THROTTLED, FAILED) == ["throttled", "write_failed"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"Records": 7}', b'{"Records": []}', b"\xff\x00"])
def test_an_answer_that_is_none_says_nothing_of_any_record(body: bytes) -> None:
    outcomes = judge_records(body, records=2)

    assert outcomes == [RetryLater(RetryReason.BAD_ANSWER, "its answer is not a PutRecords response")] * 2


@pytest.mark.parametrize("entry", [7, None, {}, {"SequenceNumber": None}, {"ShardId": "s"}])
def test_an_entry_that_is_none_is_not_taken_for_a_record_that_arrived(entry: object) -> None:
    assert reasons(TAKEN, entry) == ["Delivered", "bad_answer"]
    assert Delivered() not in judge_records(orjson.dumps({"Records": [entry]}), records=1)


def test_the_role_is_assumed_for_writing_to_this_stream_alone() -> None:
    form = parse_qs(assume_role(ROLE["role_arn"], ROLE["external_id"], session="DG1", allowed=allowed(ARN)).decode())

    policy = orjson.loads(form["Policy"][0])
    assert form["ExternalId"] == [ROLE["external_id"]]
    assert form["RoleSessionName"] == ["eventstreams-DG1"]
    assert [each["Resource"] for each in policy["Statement"]] == [ARN, "*"]
    assert {action for each in policy["Statement"] for action in each["Action"]} == {
        "kinesis:PutRecord",
        "kinesis:PutRecords",
        "kinesis:ListShards",
        "kms:GenerateDataKey",
    }


CREDENTIALS = (
    '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
    "<AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
    "<Expiration>{until}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
)


@pytest.mark.parametrize(
    ("until", "renew_s", "ends_s"),
    [
        ("2026-03-29T05:00:00Z", 3400.0, 3700.0),  # an hour: five minutes before
        ("2026-03-29T04:02:00Z", 160.0, 220.0),  # two minutes: half of them
        ("2026-03-30T04:00:00Z", 3400.0, 3700.0),  # longer than was asked for is not believed
    ],
)
def test_a_key_is_renewed_before_its_end(until: str, renew_s: float, ends_s: float) -> None:
    found = read_role(200, CREDENTIALS.format(until=until).encode(), now_s=100.0, now=NOW)

    assert not isinstance(found, RetryLater)
    assert (found.key.id, found.renew_s, found.ends_s) == ("ASIA1", renew_s, ends_s)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (403, "<E><Error><Code>AccessDenied</Code><Message>x</Message></Error></E>", "HTTP 403 AccessDenied"),
        (500, "no xml", "HTTP 500"),
        (200, "no xml", "the answer has no credentials"),
        (200, CREDENTIALS.format(until="soon"), "the credentials in the answer have no valid expiry time"),
        (
            200,
            CREDENTIALS.format(until="2026-03-29T05:00:00"),
            "the credentials in the answer have no valid expiry time",
        ),
    ],
)
def test_an_answer_without_a_key_is_said_in_words_of_ours(status: int, body: str, words: str) -> None:
    found = read_role(status, body.encode(), now_s=0.0, now=NOW)

    assert found == RetryLater(RetryReason.ROLE_REFUSED, f"the role could not be assumed: {words}")
