"""The way around a topic that takes nothing: a retry topic, always the same place, until it takes copies again."""

from importlib.metadata import version

import pytest

from eventstreams.headers import DeliveryProgress
from eventstreams.settings import Settings
from eventstreams.topics import Topics
from router.copying.avoided_topics import AvoidedTopics
from router.planning.plan import Copy

SETTINGS = Settings.load(retry_partitions=3, retry_delays="5s,30s")
HOME = Topics(SETTINGS).subscription("webhook", "DF1")
HEADERS = [("ce_id", b"EZ1"), ("es_accepted_at", b"1"), ("es_deadline", b"2"), ("es_subscription", b"DF1")]
COPY = Copy(HOME, HEADERS)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Scene:
    def __init__(self) -> None:
        self.clock = Clock()
        self.told: list[int] = []
        self.wanted = {HOME}
        self.avoided_topics = AvoidedTopics(
            SETTINGS, tell=self.told.append, wanted=lambda: self.wanted, clock=self.clock
        )


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_goes_around_is_due_at_once_on_the_retry_topic_of_the_shortest_delay(scene: Scene) -> None:
    scene.avoided_topics.avoid(COPY, 0)

    around = scene.avoided_topics.around(COPY)

    assert (around.topic, around.home) == ("es.retry.webhook.5s", HOME)
    assert around.partition in range(3)
    progress = DeliveryProgress.parse(dict(around.headers))
    assert isinstance(progress, DeliveryProgress)
    assert (progress.attempt, progress.origin, progress.first_attempt_at_ms) == (1, HOME, None)
    assert (progress.accepted_at_ms, progress.deadline_ms, progress.subscription_sid) == (1, 2, "DF1")


def test_all_of_a_topic_takes_the_same_place(scene: Scene) -> None:
    scene.avoided_topics.avoid(COPY, 0)

    assert len({scene.avoided_topics.around(COPY).partition for _ in range(10)}) == 1


def test_a_place_on_the_way_that_takes_nothing_is_passed_by_and_where_none_does_the_copy_goes_home(
    scene: Scene,
) -> None:
    scene.avoided_topics.avoid(COPY, 0)
    around, seen = scene.avoided_topics.around(COPY), []

    while around.home is not None:
        seen.append(around.partition)
        scene.avoided_topics.avoid(around, around.partition)
        around = scene.avoided_topics.around(around)

    assert sorted(seen) == [0, 1, 2]
    assert around == COPY
    assert scene.avoided_topics.around(COPY).home == HOME  # and then all of them are tried again


def test_after_five_seconds_one_copy_may_look_and_then_no_other_for_five_more(scene: Scene) -> None:
    scene.avoided_topics.avoid(COPY, 0)
    assert not scene.avoided_topics.is_due(HOME)
    scene.clock.now += 6
    assert scene.avoided_topics.is_due(HOME)

    scene.avoided_topics.sent(HOME)

    assert not scene.avoided_topics.is_due(HOME)


def test_a_topic_that_takes_copies_again_is_avoided_no_more(scene: Scene) -> None:
    scene.avoided_topics.avoid(COPY, 0)
    assert scene.avoided_topics.avoids(COPY)

    scene.avoided_topics.take_back(HOME, 0)

    assert not scene.avoided_topics.avoids(COPY)
    assert scene.told == [1, 0]


def test_a_topic_is_looked_at_where_it_took_nothing_until_all_of_that_takes_copies(scene: Scene) -> None:
    """Taken back for a partition that never failed, it would make everybody wait for the others once more."""
    scene.avoided_topics.avoid(COPY, 2)
    scene.avoided_topics.avoid(COPY, 1)
    assert scene.avoided_topics.partition_of(HOME) == 2

    scene.avoided_topics.take_back(HOME, 2)

    assert scene.avoided_topics.avoids(COPY)
    assert (scene.avoided_topics.is_due(HOME), scene.avoided_topics.partition_of(HOME)) == (True, 1)
    scene.avoided_topics.take_back(HOME, 1)
    assert not scene.avoided_topics.avoids(COPY)


def test_a_topic_of_which_no_partition_is_known_is_looked_at_anywhere(scene: Scene) -> None:
    scene.avoided_topics.avoid(COPY, -1)
    assert scene.avoided_topics.partition_of(HOME) == -1

    scene.avoided_topics.take_back(HOME, -1)

    assert not scene.avoided_topics.avoids(COPY)


def test_a_topic_is_forgotten_once_its_subscription_is_gone(scene: Scene) -> None:
    """Else it is told as one that takes nothing until the router ends."""
    scene.avoided_topics.avoid(COPY, 0)
    scene.wanted.clear()
    scene.avoided_topics.forget()
    assert scene.told == [1]
    scene.clock.now += 601

    scene.avoided_topics.forget()

    assert not scene.avoided_topics.avoids(COPY)
    assert scene.told == [1, 0]


def test_a_topic_that_is_only_quiet_is_not_tried_by_everybody_again(scene: Scene) -> None:
    scene.avoided_topics.avoid(COPY, 0)
    scene.clock.now += 601

    scene.avoided_topics.forget()
    scene.avoided_topics.avoid(Copy(Topics(SETTINGS).subscription("webhook", "DF2"), HEADERS), 0)

    assert scene.avoided_topics.avoids(COPY)
    assert scene.told == [1, 2]


def test_a_purge_that_waits_for_nobody_is_asked_for_as_one_that_does_in_the_release_that_was_read() -> None:
    """confluent-kafka takes ``blocking`` for its opposite. Mended there, who asks for it has to turn it as well."""
    assert version("confluent-kafka") == "2.16.1"
