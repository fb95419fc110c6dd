"""Where replicas of the API look for each other."""

import socket

import pytest

from control_api.replicas.address import advertised_url
from eventstreams.settings import Settings


def listening(host: str) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    opened.bind((host, 0))
    return opened


@pytest.mark.parametrize(
    ("host", "kafka", "expected"),
    [
        ("127.0.0.1", "127.0.0.1:9092", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.1:9092", "127.0.0.2"),
        ("0.0.0.0", "127.0.0.1:9092,10.0.0.9:9092", "127.0.0.1"),
        ("0.0.0.0", "localhost", "127.0.0.1"),
        ("0.0.0.0", "there.is.no.such.host.invalid:9092", socket.gethostname()),
        ("0.0.0.0", "a..b:9092", socket.gethostname()),
    ],
    ids=[
        "one address",
        "another",
        "any, as the first broker sees it",
        "without a port",
        "no such broker",
        "what can be no name",
    ],
)
def test_the_default_is_the_address_that_kafka_sees(host: str, kafka: str, expected: str) -> None:
    with listening(host) as opened:
        url = advertised_url(Settings.load(kafka=kafka), opened)

        assert url == f"http://{expected}:{opened.getsockname()[1]}"


def test_the_setting_counts_where_there_is_one() -> None:
    with listening("127.0.0.1") as opened:
        assert advertised_url(Settings.load(api_advertised_url="http://api-0:80/"), opened) == "http://api-0:80"
