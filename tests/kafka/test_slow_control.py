"""The fault ``slow-control`` finds who leads the control topic, and slows that one alone."""

from collections.abc import Sequence

import pytest

from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.topics import Topics
from eventstreams.verify.nemesis.control import SlowControl
from eventstreams.verify.nemesis.proxy import Link

pytestmark = pytest.mark.kafka


class Ways:
    """To the test's broker, which is number 1, and to one that leads nothing."""

    def __init__(self, kafka: str) -> None:
        self.kafka = kafka
        self.links = {name: Link(name) for name in ("api-1~kafka-1", "router-1~kafka-1", "api-1~kafka-2")}

    def links_to(self, called: str) -> Sequence[Link]:
        return [link for name, link in self.links.items() if name.endswith(f"~{called}")]


async def test_the_leader_of_the_control_topic_is_slow_and_then_as_before(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTREAMS_TOPIC_PREFIX", settings.topic_prefix)  # as the roles of a site would have it
    await KafkaAdmin(settings).ensure(Topics(settings).base_specs())
    ways = Ways(settings.kafka)
    fault = SlowControl(ways, 0.25)

    await fault.inflict()
    during = {name: link.delay_s for name, link in ways.links.items()}
    await fault.heal()

    assert during == {"api-1~kafka-1": 0.25, "router-1~kafka-1": 0.25, "api-1~kafka-2": 0.0}
    assert {link.delay_s for link in ways.links.values()} == {0.0}
    assert fault.detail == "the leader of the control topic answers 250 to 500 ms later"


async def test_where_nobody_leads_it_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTSTREAMS_TOPIC_PREFIX", "nobody-has-this.")
    fault = SlowControl(Ways("127.0.0.1:9"), 0.25, ask_s=0.2)

    await fault.inflict()
    await fault.heal()

    assert fault.detail == "the control topic has no leader: nothing is slowed down"
