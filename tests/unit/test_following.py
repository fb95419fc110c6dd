"""``eventstreams tail``: what each look at the log brings."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from control_api.commands.following import MOST_PAGES, PAGE, Following
from control_api.commands.remote import Answer, Fields
from eventstreams.times import parse_rfc3339, rfc3339_ms

BEGIN = datetime(2026, 3, 29, 4, 1, 2, tzinfo=UTC)


class Log:
    """A log that answers as ``/v1/Attempts`` does, and counts how often it is asked."""

    def __init__(self) -> None:
        self.attempts: list[dict[str, object]] = []
        self.asked: list[dict[str, str]] = []

    def add(self, count: int, *, at_s: float, name: str = "EZ") -> None:
        for number in range(count):
            self.attempts.append(
                {
                    "event_id": f"{name}{at_s}.{number}",
                    "subscription_sid": "DF1",
                    "attempt": 1,
                    "outcome": "delivered",
                    "began_at": rfc3339_ms(BEGIN + timedelta(seconds=at_s)),
                    "origin": "es.sub/0/1",
                }
            )

    async def get(self, fields: Fields) -> Answer:
        given = dict(fields)
        self.asked.append(given)
        after = parse_rfc3339(given["After"]) if "After" in given else BEGIN - timedelta(days=1)
        found = [each for each in self.attempts if parse_rfc3339(str(each["began_at"])) >= after]
        found.sort(key=lambda each: str(each["began_at"]), reverse=True)
        page = int(given.get("Page", "0"))
        more = len(found) > (page + 1) * PAGE
        following = f"https://api/v1/Attempts?{urlencode({**given, 'Page': page + 1})}" if more else None
        return {"attempts": found[page * PAGE : (page + 1) * PAGE], "meta": {"next_page_url": following}}


def ids(attempts: Sequence[Answer]) -> list[str]:
    return [str(each["event_id"]) for each in attempts]


async def test_each_attempt_comes_once_and_the_oldest_first() -> None:
    log = Log()
    following = Following(log.get, [("Outcome", "delivered")])
    log.add(1, at_s=2)
    log.add(1, at_s=1)

    first, second = await following.look(), await following.look()
    log.add(1, at_s=3)
    third = await following.look()

    assert ids(first.attempts) == ["EZ1.0", "EZ2.0"]
    assert second.attempts == []
    assert ids(third.attempts) == ["EZ3.0"]
    assert not third.sampled
    assert log.asked[0] == {"Outcome": "delivered", "PageSize": str(PAGE)}
    assert log.asked[2]["After"] == rfc3339_ms(BEGIN - timedelta(seconds=58))


async def test_one_that_took_long_is_not_passed_over() -> None:
    log = Log()
    following = Following(log.get, ())
    log.add(1, at_s=40)
    await following.look()

    log.add(1, at_s=10, name="slow")

    assert ids((await following.look()).attempts) == ["slow10.0"]


async def test_more_than_a_look_can_read_is_sampled_and_says_so() -> None:
    log = Log()
    following = Following(log.get, ())
    await following.look()
    log.add(MOST_PAGES * PAGE + 1, at_s=1)

    look = await following.look()

    assert look.sampled
    assert len(look.attempts) == MOST_PAGES * PAGE
    assert len(log.asked) == 1 + MOST_PAGES


async def test_more_than_a_page_is_read_whole() -> None:
    log = Log()
    following = Following(log.get, ())
    log.add(PAGE * 2 + 1, at_s=1)

    look = await following.look()

    assert len(look.attempts) == PAGE * 2 + 1
    assert not look.sampled


async def test_what_it_remembers_is_bounded() -> None:
    log = Log()
    following = Following(log.get, ())
    for second in range(25):
        log.attempts.clear()
        log.add(MOST_PAGES * PAGE, at_s=second)
        await following.look()

    assert len(following._known) == 20 * MOST_PAGES * PAGE
