"""The retry matrix: what an HTTP answer means for its events."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.sinks import DeadReason, Delivered, DeliveryOutcome, Rejected, RetryLater, RetryReason
from sink_workers.plugins.webhook.judge import judge

NOW = datetime(2026, 3, 29, 4, 0, 0, tzinfo=UTC)


def judged(status: int, retry_after: str | None = None, *, events: int = 1) -> DeliveryOutcome:
    return judge(status, retry_after=retry_after, answer="why", events=events, now=NOW)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(status: int) -> None:
    outcome = judged(status)

    assert isinstance(outcome, Delivered)
    assert outcome.status == status


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 410, 415, 422, 425, 499])
def test_a_4xx_is_a_dead_letter_with_the_answer(status: int) -> None:
    assert judged(status) == Rejected(DeadReason.REFUSED, f"HTTP {status}", status, "why")


def test_a_413_says_that_the_event_is_too_large() -> None:
    assert judged(413) == Rejected(DeadReason.TOO_LARGE, "HTTP 413", 413, "why")


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_batch_whose_body_is_refused_is_tried_again_event_by_event(status: int) -> None:
    outcome = judged(status, events=7)

    detail = f"HTTP {status} for 7 events: each is retried separately"
    assert outcome == RetryLater(RetryReason.BAD_ANSWER, detail, None, status, "why")


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_batch_that_is_refused_whatever_it_holds_is_dead(status: int) -> None:
    assert judged(status, events=7) == judged(status)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (429, RetryReason.THROTTLED),
        (500, RetryReason.SERVER_ERROR),
        (503, RetryReason.SERVER_ERROR),
        (599, RetryReason.SERVER_ERROR),
        (301, RetryReason.REDIRECTED),
        (307, RetryReason.REDIRECTED),
        (101, RetryReason.BAD_ANSWER),
        (700, RetryReason.BAD_ANSWER),
    ],
)
def test_everything_else_is_tried_again(status: int, reason: RetryReason) -> None:
    outcome = judged(status)

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is reason
    assert outcome.status == status
    assert outcome.answer == "why"


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("37", timedelta(seconds=37)),
        (" 37 ", timedelta(seconds=37)),
        ("0", timedelta(0)),
        ("Sun, 29 Mar 2026 04:02:00 GMT", timedelta(minutes=2)),
        ("Sun, 29 Mar 2026 03:00:00 GMT", timedelta(0)),
        ("99999999999999999999", timedelta(days=1)),
        ("Fri, 01 Jan 9999 00:00:00 GMT", timedelta(days=1)),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_read_in_seconds_and_as_a_date(status: int, retry_after: str, wait: timedelta) -> None:
    outcome = judged(status, retry_after)

    assert isinstance(outcome, RetryLater)
    assert outcome.not_before == NOW + wait


@pytest.mark.parametrize(
    "retry_after",
    [
        *("", "soon", "-5", "1.5", "²", "Sun, 99 Mar 2026"),
        "Sun, 29 Mar 99999999999999999999 04:00:00 GMT",
        "Sun, 29 Mar 2026 04:00:00 +99999999999999999",
    ],
)
def test_a_retry_after_that_says_nothing_is_ignored(retry_after: str) -> None:
    outcome = judged(429, retry_after)

    assert isinstance(outcome, RetryLater)
    assert outcome.not_before is None


@given(status=st.integers(0, 999), retry_after=st.none() | st.text())
def test_no_answer_makes_the_judge_raise(status: int, retry_after: str | None) -> None:
    assert isinstance(judged(status, retry_after), DeliveryOutcome)


@given(
    status=st.sampled_from([400, 429, 503]),
    words=st.lists(
        st.sampled_from(["Sun,", "29", "Mar", "2026", "04:00:00", "GMT", "+0100", "-9999"])
        | st.integers(-(1 << 80), 1 << 80).map(str),
        max_size=7,
    ),
)
def test_no_date_makes_the_judge_raise(status: int, words: list[str]) -> None:
    assert isinstance(judged(status, " ".join(words)), DeliveryOutcome)
