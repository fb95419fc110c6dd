"""A member of a group is heard often: what moves to another one waits until all have heard that it came or left."""

from unittest.mock import Mock

import pytest

from eventstreams.kafka import consumer
from eventstreams.settings import Settings


def test_others_learn_within_half_a_second_that_a_member_came_or_left(monkeypatch: pytest.MonkeyPatch) -> None:
    thread = Mock()
    monkeypatch.setattr(consumer, "ConsumerThread", thread)

    consumer.GroupConsumer(Settings.load(kafka="127.0.0.1:1"), group="g", owner=Mock(), on_crash=Mock())

    [config, *_] = thread.call_args.args
    assert config["heartbeat.interval.ms"] <= 500
    assert config["session.timeout.ms"] >= 3 * config["heartbeat.interval.ms"]  # or one that is lost puts it out
