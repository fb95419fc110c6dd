"""The pages about Kinesis and Segment sinks: their tables say what the code does."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
import pytest

from eventstreams.sinks import Delivered, DeliveryOutcome, Rejected, RetryLater
from sink_workers.plugins.kinesis.config import KinesisConfig
from sink_workers.plugins.kinesis.judge import Refusal, judge_records, judge_refusal
from sink_workers.plugins.segment.config import SegmentConfig
from sink_workers.plugins.segment.judge import judge
from sink_workers.plugins.segment.request import Mapper
from tests.support.webhooks import event
from tools.sink_tables import MODELS, pages

DOCS: Final = Path(__file__).parents[2] / "docs/sinks"
KINESIS, SEGMENT = ((DOCS / name).read_text() for name in ("kinesis.md", "segment.md"))
_WORDS: Final[Mapping[type[object], str]] = {Delivered: "delivered", RetryLater: "tried again", Rejected: "dead letter"}


def matrix(page: str) -> Sequence[tuple[str, str, str]]:
    """Answer, code and what happens, of each row of the retry matrix."""
    rows = page.partition("| answer | code | what happens to the event |\n|---|---|---|\n")[2].partition("\n\n")[0]
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
        outcome = judge(status, body, retry_after=None, answer="", events=events, now=datetime.now(UTC))
        found, words = said(outcome)
        assert (found, words in happens) == (code, True)


def test_the_configurations_of_the_pages_can_be_used() -> None:
    for page, model in ((KINESIS, KinesisConfig), (SEGMENT, SegmentConfig)):
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
