"""The URL of a server on this machine, whatever address it listens on."""

import pytest
from yarl import URL

from eventstreams.process.listen import local_url, open_socket


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("[::1]", "[::1]"), ("::", "[::1]")],
    ids=["one address", "any", "IPv6", "in brackets", "any, IPv6"],
)
def test_a_server_is_asked_at_an_address_and_a_port(host: str, expected: str) -> None:
    with open_socket(f"{host}:0", setting="--host") as opened:
        url = local_url(opened)

        port = opened.getsockname()[1]
    assert url == f"http://{expected}:{port}"
    assert (URL(url).host, URL(url).port) == (expected.strip("[]"), port)
