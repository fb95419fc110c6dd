"""``eventstreams topics create``, for whoever makes topics before the roles start."""

import os
import subprocess

import pytest

from eventstreams.settings import PREFIX, Settings
from eventstreams.topics import Topics
from tests.support import forks

pytestmark = pytest.mark.kafka


def create(settings: Settings, *sink_types: str, **more: str) -> "subprocess.CompletedProcess[str]":
    given = {
        "KAFKA": settings.kafka,
        "TOPIC_PREFIX": settings.topic_prefix,
        "REPLICATION_FACTOR": "1",
        "RETRY_DELAYS": "1s",
        "RETRY_PARTITIONS": "2",
        **more,
    }
    return subprocess.run(
        [str(forks.program()), "topics", "create", *sink_types],
        env=os.environ | {f"{PREFIX}{name}": value for name, value in given.items()},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_it_makes_what_is_not_there_grows_what_is_too_small_and_says_which(settings: Settings) -> None:
    topics = Topics(settings)

    first, second = create(settings, "webhook"), create(settings, "webhook", "segment", RETRY_PARTITIONS="3")

    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    made = first.stdout.splitlines()
    assert {f"created {spec.name}" for spec in topics.base_specs()} <= set(made)
    assert f"created {settings.topic_prefix}retry.webhook.1s" in made
    assert not any("segment" in line for line in made)
    then = second.stdout.splitlines()
    assert f"exists {topics.events}" in then
    assert f"grown from 2 to 3 partitions {settings.topic_prefix}retry.webhook.1s" in then
    assert f"created {topics.dead('segment')}" in then


def test_a_sink_type_that_nobody_has_installed_is_a_sentence(settings: Settings) -> None:
    done = create(settings, "pigeon")

    assert done.returncode == 6
    assert "no sink plugin 'pigeon' is installed; available: " in done.stderr
