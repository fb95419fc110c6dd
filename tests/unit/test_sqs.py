"""The SQS plugin's pure parts: configuration, requests, and what AWS' answers mean."""

import re
from dataclasses import replace

import orjson
import pytest
from pydantic import ValidationError

from eventstreams.sinks import DeadReason, Delivered, DeliveryOutcome, Rejected, RetryLater, RetryReason
from sink_workers.plugins.aws.refusal import Refusal
from sink_workers.plugins.sqs import PLUGIN
from sink_workers.plugins.sqs.config import SqsConfig
from sink_workers.plugins.sqs.judge import code_of, judge_messages, judge_refusal
from sink_workers.plugins.sqs.request import MAX_BYTES, MAX_MESSAGES, as_message, send_messages
from tests.support.webhooks import event

ARN = "arn:aws:sqs:eu-central-1:123456789012:events"
KEY = {"access_key_id": "AKIAOFASUBSCRIBER001", "secret_access_key": "the-secret"}


def config(**given: object) -> SqsConfig:
    return SqsConfig.model_validate({"arn": ARN, **KEY, **given})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"arn": "events"}, "it must be the ARN of a queue"),
        ({"arn": "https://sqs.eu-central-1.amazonaws.com/1/x"}, "it must be the ARN of a queue"),
        ({"arn": ARN.replace("sqs", "sns")}, "it must be the ARN of a queue"),
        ({"arn": f"{ARN}\n"}, "it must be the ARN of a queue"),
        ({"arn": ARN.replace("eu-central-1", "cn-north-1")}, "the ARN must begin with arn:aws-cn:"),
        ({"access_key_id": None}, "access_key_id and secret_access_key must be given together"),
        ({"message_group": "event_key"}, "message_group is only for FIFO queues"),
        ({"arn": f"{ARN}.fifo", "message_group": "all"}, "message_group"),
        ({"endpoint": "http://10.0.0.1"}, "Extra inputs are not permitted"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_with_a_sentence(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        config(**given)

    assert words in str(raised.value)
    assert "the-secret" not in str(raised.value)


def test_the_queue_is_named_as_aws_names_it() -> None:
    assert config().queue_url == "https://sqs.eu-central-1.amazonaws.com/123456789012/events"


def test_a_message_is_one_event() -> None:
    body = orjson.loads(send_messages("url", [as_message(event(number), config()) for number in (1, 2)]))

    assert body == {
        "QueueUrl": "url",
        "Entries": [{"Id": str(at), "MessageBody": event(at + 1).json().decode()} for at in (0, 1)],
    }


def test_what_no_message_may_contain_is_escaped() -> None:
    sent = event(1, text="a\ufffe\uffff\x00")

    body = as_message(sent, config()).body

    assert not set(body) & {"\ufffe", "\uffff", "\x00"}
    assert orjson.loads(body) == orjson.loads(sent.json())


@pytest.mark.parametrize(("chosen", "group"), [("event_key", "/calls/1"), ("account_sid", "AC1"), ("event_id", "EZ1")])
def test_a_fifo_queue_gets_group_and_id(chosen: str, group: str) -> None:
    sent = replace(event(1), partition_key="/calls/1")

    message = as_message(sent, config(arn=f"{ARN}.fifo", message_group=chosen))

    assert message.fifo["MessageGroupId"] == group
    assert re.fullmatch("[0-9a-f]{64}", message.fifo["MessageDeduplicationId"])


def test_a_fifo_queue_drops_the_same_event_alone() -> None:
    sent = event(1)
    others = [
        replace(sent, id="EZ2"),
        replace(sent, source="/things/2"),
        replace(sent, account_sid="AC2"),
        replace(sent, source="/things/", id="1EZ1"),
    ]

    [again, *ids] = [
        as_message(each, config(arn=f"{ARN}.fifo")).fifo["MessageDeduplicationId"]
        for each in (replace(sent, attempt=2), sent, *others)
    ]

    assert again == ids[0]
    assert len(set(ids)) == 1 + len(others)


@pytest.mark.parametrize("key", ["two words", "\N{SNOWMAN}", "x" * 129])
def test_a_group_that_sqs_would_refuse_is_its_hash(key: str) -> None:
    message = as_message(replace(event(1), partition_key=key), config(arn=f"{ARN}.fifo"))

    assert len(message.fifo["MessageGroupId"]) == 64


def test_what_has_more_than_a_mebibyte_is_too_large() -> None:
    overhead = as_message(event(1, text=""), config()).size

    sizes = [as_message(event(1, text="x" * (MAX_BYTES - overhead + more)), config()).is_too_large for more in (0, 1)]

    assert sizes == [False, True]


def test_only_a_queue_without_order_is_written_to_side_by_side() -> None:
    plain, fifo = PLUGIN.capabilities(config()), PLUGIN.capabilities(config(arn=f"{ARN}.fifo"))

    assert (plain.max_batch_events, plain.max_batch_bytes) == (MAX_MESSAGES, MAX_BYTES)
    assert (plain.max_in_flight > 1, fifo.max_in_flight) == (True, 1)


def refusal(code: str, status: int = 400) -> Refusal:
    return Refusal(status, code, "")


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (refusal("RequestThrottled"), RetryReason.THROTTLED),
        (refusal("KmsThrottled"), RetryReason.THROTTLED),
        (refusal("", 429), RetryReason.THROTTLED),
        (refusal("InvalidClientTokenId", 403), RetryReason.ROLE_REFUSED),
        (refusal("ExpiredTokenException"), RetryReason.ROLE_REFUSED),
        (refusal("QueueDoesNotExist"), RetryReason.STREAM_ERROR),
        (refusal("NonExistentQueue"), RetryReason.STREAM_ERROR),
        (refusal("KmsDisabled"), RetryReason.STREAM_ERROR),
        (refusal("AccessDenied", 403), RetryReason.WRITE_FAILED),
        (refusal("", 503), RetryReason.WRITE_FAILED),
    ],
)
def test_what_is_not_about_the_messages_is_tried_again(refused: Refusal, reason: RetryReason) -> None:
    for messages in (1, 10):
        found = judge_refusal(refused, messages=messages)
        assert isinstance(found, RetryLater)
        assert (found.reason, found.status) == (reason, None)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("BatchRequestTooLong", DeadReason.TOO_LARGE),
        ("InvalidMessageContents", DeadReason.REFUSED),
        ("InvalidParameterValue", DeadReason.REFUSED),
    ],
)
def test_what_may_be_about_one_message_is_judged_when_that_is_alone(code: str, reason: DeadReason) -> None:
    together, alone = (judge_refusal(refusal(code), messages=messages) for messages in (2, 1))

    assert isinstance(together, RetryLater)
    assert together.reason is RetryReason.BAD_ANSWER
    assert alone == Rejected(reason, f"HTTP 400 {code}", 400)


TAKEN = {"Id": "0", "MessageId": "m"}
NOTHING = RetryLater(RetryReason.BAD_ANSWER, "its answer does not mention this message")


@pytest.mark.parametrize(
    ("answer", "outcomes"),
    [
        (
            {"Successful": [{"Id": "2", "MessageId": "m"}, TAKEN], "Failed": [{"Id": "1", "Code": "InternalError"}]},
            [Delivered(), RetryLater(RetryReason.WRITE_FAILED, "InternalError"), Delivered()],
        ),
        (
            {"Successful": [TAKEN], "Failed": [{"Id": "1", "Code": "AWS.SimpleQueueService.RequestThrottled"}]},
            [Delivered(), RetryLater(RetryReason.THROTTLED, "RequestThrottled"), NOTHING],
        ),
        (
            {"Failed": [{"Id": str(each), "Code": "InvalidMessageContents"} for each in range(3)]},
            [Rejected(DeadReason.REFUSED, "InvalidMessageContents")] * 3,
        ),
        ({"Successful": [{"Id": "0"}, {}, 7]}, [NOTHING] * 3),
        ({"Successful": "yes"}, [NOTHING] * 3),
        ([], [NOTHING] * 3),
    ],
)
def test_each_message_is_judged_by_its_own_entry(answer: object, outcomes: list[DeliveryOutcome]) -> None:
    assert judge_messages(orjson.dumps(answer), messages=3) == outcomes


def test_codes_are_known_by_either_of_their_names() -> None:
    names = ("com.amazonaws.sqs#QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")

    assert [code_of(orjson.dumps({"__type": name})) for name in names] == ["QueueDoesNotExist", "NonExistentQueue"]
    assert code_of(b"no JSON") == ""
