"""The console's page of an event, rendered as it is shown."""

from datetime import UTC, datetime

import pytest

from control_api.console.events import OUTCOMES, STATES
from control_api.console.render import Renderer
from control_api.console.static import StaticFiles
from eventstreams.times import to_ms

NOW = datetime(2026, 3, 29, 4, 0, tzinfo=UTC)
DELIVERY = {
    **dict.fromkeys(("subscription_sid", "sink_sid", "reason", "detail", "code", "letter")),
    "state": "retrying",
    "paused": False,
    "deadline": "2026-03-29T08:00:00.000Z",
}


@pytest.mark.parametrize(
    ("next_try_at", "words"),
    [
        ("2026-03-29T03:58:00.000Z", "2 minutes ago</time>: its sink is held back, or no worker is running."),
        ("2026-03-29T03:59:55.000Z", "Next attempt <time"),
        ("2026-03-29T04:02:00.000Z", "in 2 minutes</time>, until"),
    ],
    ids=["late", "being looked at", "to come"],
)
def test_an_attempt_that_is_late_is_not_announced_as_the_next(next_try_at: str, words: str) -> None:
    renderer = Renderer(StaticFiles("/"), (), lambda: to_ms(NOW))
    found = {
        **dict.fromkeys(("time", "topic", "lag", "accepted_at")),
        "type": "com.acme.parcel.delivered",
        "account_sid": "AC1",
        "deliveries": [{**DELIVERY, "next_try_at": next_try_at}],
        "tried": [],
    }

    page = renderer.render(
        "events/timeline.html",
        id="EZ1",
        found=found,
        moves=False,
        sent="",
        states=STATES,
        outcomes=OUTCOMES,
        most=1,
        names={},
    )

    assert words in page
    assert ("Next attempt" in page) is (words.startswith(("Next", "in ")))
