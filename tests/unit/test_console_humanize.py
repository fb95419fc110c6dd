"""Times and numbers in the words of people."""

from datetime import UTC, datetime, timedelta

import pytest

from control_api.console.humanize import REASONS, ago
from eventstreams.reasons import DeadReason

NOW = datetime(2026, 3, 29, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (timedelta(seconds=1), "just now"),
        (timedelta(seconds=42), "42 seconds ago"),
        (timedelta(minutes=1, seconds=59), "1 minute ago"),
        (timedelta(hours=5), "5 hours ago"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=40), "2026-02-17"),
        (-timedelta(hours=2), "in 2 hours"),
    ],
    ids=str,
)
def test_times_are_told_as_people_tell_them(before: timedelta, words: str) -> None:
    assert ago(NOW - before, NOW) == words


def test_every_reason_of_a_dead_letter_has_words() -> None:
    assert set(REASONS) == set(DeadReason)
