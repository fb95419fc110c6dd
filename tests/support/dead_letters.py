"""Writes dead letters for a test, and reads what becomes of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from eventstreams import headers as names
from eventstreams.control.records import Subscription
from eventstreams.events import Event
from eventstreams.headers import DeliveryProgress, dead_headers, routed_headers
from eventstreams.kafka.producer import Acked
from eventstreams.kafka.records import Record
from eventstreams.reasons import DeadReason
from tests.support.installation import SENT, Installation, header
from tests.support.topic import read_topic_until

_LAST = "EZ-the-last"


async def add_dead_letters(
    installation: Installation,
    subscription: Subscription,
    numbers: Sequence[int],
    *,
    reason: DeadReason = DeadReason.REFUSED,
    type_: str = SENT,
    without: str = "",
) -> list[int]:
    """Make dead letters of events, as a worker does; return the broker's timestamp of each."""
    topic, times = installation.topics.dead("webhook"), []
    for number in numbers:
        value, headers = installation.encoded(event(installation, number, type_))
        routed = routed_headers(headers, accepted_at_ms=5000, deadline_ms=9000, subscription_sid=subscription.sid)
        progress = DeliveryProgress(
            5000, 9000, subscription.sid, attempt=4, first_attempt_at_ms=6000, last_attempt_at_ms=8000, last_status=410
        )
        dead = dead_headers(routed, progress, origin="t/0/1", reason=reason, code=reason.code, detail="gone for good")
        kept = [each for each in dead if each[0] != without]
        answer = await installation.producer.send(topic, value, key=b"k%d" % number, headers=kept)
        assert isinstance(answer, Acked)
        times.append(answer.timestamp_ms)
    return times


def event(installation: Installation, number: int, type_: str = SENT) -> Event:
    return replace(installation.event(number, type_=type_), time=datetime(2026, 3, 29, tzinfo=UTC))


async def copies(installation: Installation, subscription: Subscription) -> list[Record]:
    """Return everything on the topic of ``subscription`` now, as a worker would read it."""
    await installation.hand_to(subscription, replace(installation.event(0), id=_LAST))
    found = await read_topic_until(
        installation.settings,
        installation.topic_of(subscription),
        lambda records: bool(records) and ids(records)[-1] == _LAST,
    )
    return found[:-1]


def ids(records: Sequence[Record]) -> list[str]:
    return [header(each, names.ID) for each in records]
