"""Where the delivery log is kept."""

from pathlib import Path

import pytest

from control_api.delivery_log.stores import file_of
from eventstreams.settings import Settings


@pytest.mark.parametrize("off", ["", "off", " off "])
def test_it_can_be_switched_off(off: str) -> None:
    assert file_of(Settings.load(delivery_log=off)) is None


def test_it_is_where_the_setting_says() -> None:
    assert file_of(Settings.load(delivery_log="/var/lib/es/log.db")) == Path("/var/lib/es/log.db")


def test_without_a_setting_each_installation_has_its_own_in_the_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert file_of(Settings.load(topic_prefix="blue.")) == Path("/state/eventstreams/blue.delivery-log.db")

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/her")
    assert file_of(Settings.load()) == Path("/home/her/.local/state/eventstreams/es.delivery-log.db")
