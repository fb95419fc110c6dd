"""Ports for programs that cannot be handed a socket: nobody else is given them before they listen."""

import socket

import pytest

from eventstreams.local import ports
from eventstreams.local.ports import LOOPBACK, free_ports, is_free, outgoing_from


def test_no_outgoing_connection_can_take_one_before_its_program_listens() -> None:
    found = free_ports(50)

    assert len(set(found)) == 50
    assert all(port < outgoing_from() for port in found)
    assert all(map(is_free, found))


def test_one_that_somebody_listens_on_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(ports, "_candidates", lambda: iter([port, 0]))

        [found] = free_ports(1)

    assert found != port


def test_where_all_ports_are_for_outgoing_connections_any_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "outgoing_from", lambda: 1024)

    assert len(set(free_ports(3))) == 3


@pytest.mark.parametrize("words", ["", "many"], ids=["empty", "no numbers"])
def test_a_system_that_does_not_say_which_these_are_has_linux_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, words: str
) -> None:
    told = tmp_path_factory.mktemp("proc") / "range"
    told.write_text(words)
    monkeypatch.setattr(ports, "_OUTGOING", told)

    assert outgoing_from() == 32_768
