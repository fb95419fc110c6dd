"""The pages about sinks: their tables say what the code does."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import orjson
import pytest

from eventstreams.sinks import Delivered, DeliveryOutcome, Rejected, RetryLater
from eventstreams.sinks.registry import installed_sink_types
from sink_workers.plugins.amqp import judge as amqp
from sink_workers.plugins.amqp.config import AmqpConfig
from sink_workers.plugins.aws import refusal as aws
from sink_workers.plugins.aws.refusal import Refusal
from sink_workers.plugins.email import judge as email
from sink_workers.plugins.email.config import EmailConfig
from sink_workers.plugins.email.judge import Step
from sink_workers.plugins.email.judge import judge as judge_mail
from sink_workers.plugins.kafka import judge as kafka
from sink_workers.plugins.kafka.config import KafkaConfig
from sink_workers.plugins.kinesis import judge as kinesis
from sink_workers.plugins.kinesis.config import KinesisConfig
from sink_workers.plugins.kinesis.judge import judge_records, judge_refusal
from sink_workers.plugins.s3 import judge as s3
from sink_workers.plugins.s3.config import S3Config
from sink_workers.plugins.segment.config import SegmentConfig
from sink_workers.plugins.segment.judge import judge
from sink_workers.plugins.segment.request import Mapper
from sink_workers.plugins.sqs import judge as sqs
from sink_workers.plugins.sqs.config import SqsConfig
from sink_workers.plugins.webhook import judge as webhook
from tests.support.webhooks import event
from tools.sink_tables import MODELS, pages

DOCS: Final = Path(__file__).parents[2] / "docs/sinks"
PAGES: Final = {
    name.removesuffix(".md"): (DOCS / name).read_text()
    for name in ("amqp.md", "email.md", "kafka.md", "kinesis.md", "s3.md", "segment.md", "sqs.md", "webhook.md")
}
AMQP, EMAIL, KAFKA, KINESIS, S3, SEGMENT, SQS, WEBHOOK = PAGES.values()
CUT_OFF: Final = (
    "2xx with JSON that breaks off, does not end within 1 s, or is longer than 16 KiB; or with anything compressed, "
    "which we ask not to have"
)
_WORDS: Final[Mapping[type[object], str]] = {Delivered: "delivered", RetryLater: "tried again", Rejected: "dead letter"}


def matrix(page: str) -> Sequence[tuple[str, str, str]]:
    """Answer, code and what happens, of each row of the retry matrix."""
    [part] = page.split("\n## What an answer means\n")[1:]
    return matrix_of(part)


def matrix_of(part: str) -> Sequence[tuple[str, str, str]]:
    """As ``matrix``, of the part of a page with its heading."""
    rows = part.partition("| answer | code | what happens to the event |\n|---|---|---|\n")[2].partition("\n\n")[0]
    found = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows.splitlines()]
    return [(answer, code, happens) for answer, code, happens in found]


def said(outcome: DeliveryOutcome) -> tuple[str, str]:
    """Code and first words of what happens, as a row has them."""
    code = "" if isinstance(outcome, Delivered) else str(outcome.reason.code)
    return code, _WORDS[type(outcome)]


@pytest.mark.parametrize(("file", "text"), list(pages(DOCS)), ids=MODELS)
def test_the_table_of_keys_is_that_of_the_model(file: Path, text: str) -> None:
    assert file.read_text() == text
    assert all(f"| `{key}` |" in text for key in MODELS[file.name].model_fields)


def test_there_is_a_page_for_each_type_with_an_example_its_limits_and_a_matrix() -> None:
    assert set(PAGES) == set(installed_sink_types())
    for sink_type, page in PAGES.items():
        assert re.findall(r"--data-urlencode 'SinkType=(\w+)'", page) == [sink_type]
        assert "\n## Limits\n" in page
        assert all(code or happens.startswith(("delivered", "the mail is sent")) for _, code, happens in matrix(page))
        assert len(matrix(page)) >= 10


@pytest.mark.parametrize(
    ("page", "codes"),
    [
        (AMQP, [str(code).removeprefix("that the ") for code in amqp.Refusal]),
        (EMAIL, email._LOGIN_NEEDED),
        (KAFKA, {f"({number})" for number in kafka._TOO_LARGE | kafka._ABOUT_THE_TOPIC | kafka._NOT_LET_IN | {32, 7}}),
        (
            KINESIS,
            {kinesis._NO_STREAM, *kinesis._THROTTLED, *kinesis._ABOUT_THE_RECORDS, f"begin with `{kinesis._KMS}"},
        ),
        (S3, s3._THROTTLED),
        (SQS, {*sqs._THROTTLED, *sqs._ABOUT_THE_MESSAGE, *sqs._NO_QUEUE, f"begin with `{sqs._KMS.title()}"}),
        (KINESIS + S3 + SQS, aws._NOT_LET_IN),  # their rows about a key name each other
        (WEBHOOK, webhook._ABOUT_THE_BODY),
    ],
    ids=["amqp", "email", "kafka", "kinesis", "s3", "sqs", "aws", "webhook"],
)
def test_each_answer_that_the_code_tells_apart_stands_in_the_matrix(page: str, codes: Iterable[object]) -> None:
    answers = " ".join(row[0] for part in page.split("## What an answer means")[1:] for row in matrix_of(part))

    assert [code for code in codes if str(code) not in answers] == []


@pytest.mark.parametrize(
    ("answer", "statuses", "events"),
    [
        ("2xx", (200, 204, 299), 1),
        ("429", (429,), 2),
        ("5xx", (500, 503, 599), 2),
        ("3xx", (301, 308), 2),
        ("400, 413, 422 for several events", (400, 413, 422), 2),
        ("any other 4xx, with 401, 404, 408, 409, 410, 413 and 425", (401, 404, 408, 409, 410, 413, 425), 1),
        ("any other 4xx, with 401, 404, 408, 409, 410, 413 and 425", (401, 404, 408, 409, 410, 425), 2),
    ],
)
def test_each_answer_of_a_webhook_that_the_matrix_names_is_judged_so(
    answer: str, statuses: Sequence[int], events: int
) -> None:
    [(code, happens)] = [row[1:] for row in matrix(WEBHOOK) if row[0] == answer]

    for status in statuses:
        outcome = webhook.judge(status, retry_after="7", answer="", events=events, now=datetime.now(UTC))
        found, words = said(outcome)
        assert (found, words in happens) == (code, True), status
        asked = isinstance(outcome, RetryLater) and outcome.not_before is not None
        assert asked == ("`Retry-After`" in happens), status


def test_each_error_of_kinesis_that_the_matrix_names_is_judged_so() -> None:
    named = [(code, row) for row in matrix(KINESIS) for code in re.findall(r"`(\w+Exception)`", row[0])]
    assert len(named) >= 12

    for code, (answer, expected, happens) in named:
        if answer.startswith("an entry"):
            continue  # below
        several = "several events" in answer
        found = said(judge_refusal(Refusal(400, code, ""), records=2 if several else 1))
        if several:
            assert (found, happens) == ((expected, "tried again"), "each event is tried again alone")
        elif "ValidationException" not in answer:
            assert found[0] == expected, code
            assert found[1] in happens or "then tried again" in happens, code


def test_each_kind_of_entry_of_kinesis_that_the_matrix_names_is_judged_so() -> None:
    rows = {answer: (code, happens) for answer, code, happens in matrix(KINESIS)}
    taken = {"SequenceNumber": "1", "ShardId": "s"}
    throttled, failed = ({"ErrorCode": code} for code in ("ProvisionedThroughputExceededException", "InternalFailure"))

    mixed = judge_records(orjson.dumps({"Records": [taken, throttled, failed]}), records=3)
    alone = judge_records(orjson.dumps({"Records": [throttled]}), records=1)

    assert said(mixed[0]) == rows["an entry with a sequence number"]
    error = rows["an entry with an error, `ProvisionedThroughputExceededException` or `InternalFailure`"]
    assert [said(mixed[1]), said(mixed[2])] == [error] * 2
    assert said(alone[0])[0] == rows["the same throttling for each entry of a request"][0]
    assert said(judge_refusal(Refusal(400, "ValidationException", ""), records=1)) == rows["the same for one event"]


@pytest.mark.parametrize(
    ("answer", "statuses", "body", "events"),
    [
        ("2xx", (200, 204), b'{"success": true}', 1),
        ('2xx with `"success": false`', (200,), b'{"success": false}', 1),
        (CUT_OFF, (200, 202), b'{"message": "', 1),
        ("401, 403", (401, 403), b"", 1),
        ("429", (429,), b"", 1),
        ("5xx", (500, 503), b"", 1),
        ("3xx", (302, 308), b"", 1),
        ("400, 413, 422 for several events", (400, 413, 422), b"", 2),
        ("any other 4xx", (400, 404, 410, 413, 422), b"", 1),
    ],
)
def test_each_answer_of_segment_that_the_matrix_names_is_judged_so(
    answer: str, statuses: Sequence[int], body: bytes, events: int
) -> None:
    [(code, happens)] = [row[1:] for row in matrix(SEGMENT) if row[0] == answer]

    for status in statuses:
        is_whole = answer != CUT_OFF
        now = datetime.now(UTC)
        outcome = judge(status, body, is_whole=is_whole, retry_after=None, answer="", events=events, now=now)
        found, words = said(outcome)
        assert (found, words in happens) == (code, True)


def test_each_error_of_kafka_that_the_matrix_names_is_judged_so() -> None:
    named = [(int(code), row) for row in matrix(KAFKA) for code in re.findall(r"`[A-Z_]+` \((\d+)\)", row[0])]
    assert len(named) >= 12

    for number, (_, code, happens) in named:
        found, words = said(kafka.judge(number, "X"))
        assert (found, words in happens) == (code, True), number


def test_each_error_of_sqs_that_the_matrix_names_is_judged_so() -> None:
    named = [(code, row) for row in matrix(SQS) for code in re.findall(r"`([A-Z]\w+)`", row[0])]
    assert len(named) >= 15

    for code, (answer, expected, happens) in named:
        if code == "Successful":
            continue
        if answer.startswith("a failed entry"):
            [outcome] = sqs.judge_messages(orjson.dumps({"Failed": [{"Id": "0", "Code": code}]}), messages=1)
        else:
            messages = 2 if "several events" in answer else 1
            outcome = sqs.judge_refusal(Refusal(400, code, ""), messages=messages)
        found, words = said(outcome)
        assert found == expected, code
        assert words in happens or "tried again" in happens, code


def test_each_error_of_amqp_that_the_matrix_names_is_judged_so() -> None:
    for refusal in amqp.Refusal:
        word = str(refusal).removeprefix("that the ")
        rows = [row for row in matrix(AMQP) if word in row[0]]
        together, alone = (said(amqp.judge(refusal, events=events)) for events in (2, 1))
        assert rows, refusal
        if together == alone:
            [(_, code, happens)] = rows
            assert (together[0], together[1] in happens) == (code, True), refusal
        else:
            assert (together[0], rows[0][2]) == (rows[0][1], "each event is tried again alone")
            assert alone in [row[1:] for row in matrix(AMQP) if row[0] == "the same for one event"]


@pytest.mark.parametrize(
    ("answer", "steps", "replies"),
    [
        ("for now (4xx)", tuple(Step), ((421, ""), (450, "4.2.0 later"), (452, ""))),
        ("to our connection, our login or MAIL FROM", (Step.GREETING, Step.LOGIN, Step.SENDER), ((535, ""), (554, ""))),
        ("to RCPT TO: 503", (Step.RECIPIENT,), (*((code, "") for code in email._LOGIN_NEEDED), (554, "5.7.1 no"))),
        ("to the mail: 503", (Step.CONTENT,), tuple((code, "") for code in email._LOGIN_NEEDED)),
        ("to RCPT TO: 552, 5.2.2", (Step.RECIPIENT,), ((552, ""), (550, "5.2.2 full"))),
        ("to RCPT TO: any other", (Step.RECIPIENT,), ((550, "5.1.1 nobody"), (551, ""), (553, ""))),
        ("to the mail of one event", (Step.CONTENT,), ((552, ""), (554, "5.3.4 large"), (554, "5.6.0 spam"))),
    ],
)
def test_each_answer_of_a_mail_server_that_the_matrix_names_is_judged_so(
    answer: str, steps: Sequence[Step], replies: Sequence[tuple[int, str]]
) -> None:
    [(code, happens)] = [row[1:] for row in matrix(EMAIL) if answer in row[0]]

    for step in steps:
        for number, words in replies:
            found, said_of_it = said(judge_mail(step, number, words))
            assert (found, said_of_it in happens) == (code, True), (step, number)


def test_each_error_of_s3_that_the_matrix_names_is_judged_so() -> None:
    named = [(code, row) for row in matrix(S3) for code in re.findall(r"`([A-Z]\w+)`", row[0]) if code != "ETag"]
    assert len(named) >= 12

    for code, (answer, expected, happens) in named:
        status = {"SlowDown": 503, "NoSuchBucket": 404, "PermanentRedirect": 301}.get(code, 403)
        found = said(s3.judge(Refusal(status, code, "")))
        assert (found[0], found[1] in happens) == (expected, True), answer


@pytest.mark.parametrize(
    ("answer", "statuses"),
    [("429", (429,)), ("401, 403 or 404", (401, 403, 404)), ("5xx", (500, 503)), ("4xx", (400,))],
)
def test_each_status_of_s3_that_the_matrix_names_is_judged_so(answer: str, statuses: Sequence[int]) -> None:
    [(code, happens)] = [row[1:] for row in matrix(S3) if f"other {answer}" in row[0] or row[0].endswith(f" {answer}")]

    for status in statuses:
        assert said(s3.judge(Refusal(status, "", "")))[0] == code
    assert "tried again" in happens


def test_every_type_has_its_row_and_its_page() -> None:
    rows = set(re.findall(r"^\| \[`(\w+)`\]\((\w+)\.md\) \|", (DOCS / "README.md").read_text(), re.MULTILINE))

    assert rows == {
        (each.name, each.name)
        for each in entry_points(group="eventstreams.sinks")
        if each.value.startswith("sink_workers.")
    }


def test_the_configurations_of_the_pages_can_be_used() -> None:
    for page, model in (
        (AMQP, AmqpConfig),
        (EMAIL, EmailConfig),
        (KAFKA, KafkaConfig),
        (KINESIS, KinesisConfig),
        (S3, S3Config),
        (SEGMENT, SegmentConfig),
        (SQS, SqsConfig),
    ):
        [given] = re.findall(r"SinkConfiguration=(\{.*?\})'", page, re.DOTALL)
        model.model_validate(orjson.loads(given.replace("…", "x")))


def test_the_mapping_of_the_page_is_that_of_the_code() -> None:
    blocks = [orjson.loads(each) for each in re.findall(r"```json\n(\{.*?\})\n```", SEGMENT, re.DOTALL)]
    sent = event(1, **blocks[0]["data"])
    sent.type, sent.identity_fields = blocks[0]["type"], {"phone": "to"}
    config = SegmentConfig.model_validate({"write_key": "x", "event_names": {sent.type: "Message Sent"}})
    call = orjson.loads(Mapper(config, user_agent="eventstreams/…").track(sent))
    call["context"]["cloudevent"]["dataschema"] = "…"

    assert {"batch": [call]} == blocks[1]
