"""Which topics are made to keep records for longer, and what is said where Kafka refuses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import pytest
from structlog.testing import capture_logs

from control_api.topics.retention import keep_what_waits
from eventstreams.errors import TopicError
from eventstreams.settings import Settings
from eventstreams.topics import Topics

HOUR_MS: Final = 60 * 60 * 1000
SUBSCRIPTION: Final = "es.sub.webhook.DF" + "1" * 32
RETRY: Final = "es.retry.webhook.30s"
TEST: Final = "es.test.webhook"


@dataclass
class Broker:
    """Topics and their retention; ``refusing`` changes none."""

    retention: dict[str, int]
    refusing: bool = False
    unseen: Sequence[str] = ()
    changes: list[Sequence[str]] = field(default_factory=list)

    async def topics(self) -> Mapping[str, int]:
        return dict.fromkeys(self.retention, 1)

    async def retentions(self, names: Sequence[str]) -> Mapping[str, int]:
        return {name: self.retention[name] for name in names if name not in self.unseen}

    async def keep_for(self, names: Sequence[str], ms: int) -> Mapping[str, TopicError]:
        self.changes.append(names)
        if self.refusing:
            return {name: TopicError(f"Kafka will not alter topic {name}: not allowed") for name in names}
        self.retention |= dict.fromkeys(names, ms)
        return {}


def topics(ttl: timedelta) -> Topics:
    return Topics(Settings.load(ttl=ttl))


async def test_after_a_longer_ttl_every_topic_on_which_events_wait_keeps_them_until_their_deadline() -> None:
    broker = Broker(dict.fromkeys([SUBSCRIPTION, RETRY, TEST], 28 * HOUR_MS))

    await keep_what_waits(broker, topics(timedelta(days=3)))

    assert broker.retention == dict.fromkeys([SUBSCRIPTION, RETRY, TEST], 96 * HOUR_MS)


@pytest.mark.parametrize(
    "kept_ms", [-1, 5 * HOUR_MS, 28 * HOUR_MS, 500 * HOUR_MS], ids=["for ever", "shortened", "as made", "lengthened"]
)
async def test_what_is_kept_for_longer_than_it_is_owed_stays_as_somebody_set_it(kept_ms: int) -> None:
    broker = Broker({SUBSCRIPTION: kept_ms})

    await keep_what_waits(broker, topics(timedelta(hours=4)))

    assert broker.retention == {SUBSCRIPTION: kept_ms}


async def test_topics_on_which_nothing_waits_and_those_of_others_are_left_alone() -> None:
    before = dict.fromkeys(["es.events", "es.dead.webhook", "es.control", "es.sub.webhook.orders", "es.attempts"], 1)
    broker = Broker(dict(before))

    await keep_what_waits(broker, topics(timedelta(days=3)))

    assert broker.retention == before


async def test_where_kafka_refuses_it_is_said_that_events_can_be_lost_and_what_to_do() -> None:
    broker = Broker({SUBSCRIPTION: HOUR_MS}, refusing=True)

    with capture_logs() as lines:
        assert not await keep_what_waits(broker, topics(timedelta(hours=4)))

    [line] = lines
    assert (line["log_level"], line["event"], line["count"]) == ("error", "topics.kept_too_short", 1)
    assert "eventstreams doctor" in line["follows"]


async def test_a_topic_that_was_not_seen_yet_is_looked_at_again() -> None:
    broker = Broker(dict.fromkeys([SUBSCRIPTION, RETRY], HOUR_MS), unseen=[RETRY])

    assert not await keep_what_waits(broker, topics(timedelta(hours=4)))
    broker.unseen = ()

    assert await keep_what_waits(broker, topics(timedelta(hours=4)))
    assert broker.retention == dict.fromkeys([SUBSCRIPTION, RETRY], 28 * HOUR_MS)


async def test_where_we_may_not_look_that_is_said_once() -> None:
    broker = Broker({SUBSCRIPTION: HOUR_MS}, unseen=[SUBSCRIPTION])

    with capture_logs() as lines:
        assert await keep_what_waits(broker, topics(timedelta(hours=4)))

    assert [line["event"] for line in lines] == ["topics.retention_unknown"]
