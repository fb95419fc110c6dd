"""The address at which other replicas reach this process."""

import socket
from ipaddress import ip_address
from typing import Final

from eventstreams.settings import Settings

_KAFKA_PORT: Final = 9092


def advertised_url(settings: Settings, listening: socket.socket) -> str:
    """The URL in the settings, or else of the address that ``listening`` is bound to.

    If that is the wildcard address, it is the local address towards Kafka: others who reach the same brokers most
    likely reach us there. No packet is sent to find it out.
    """
    if settings.api_advertised_url is not None:
        return settings.api_advertised_url.rstrip("/")
    host, port = listening.getsockname()[:2]
    if ip_address(host).is_unspecified:
        # An IPv4 socket is reached only by IPv4; an IPv6 wildcard socket by both.
        family = listening.family if listening.family == socket.AF_INET else socket.AF_UNSPEC
        host = _seen_by(settings.kafka.split(",")[0].strip(), family)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _seen_by(server: str, family: int) -> str:
    host, _, port = server.rpartition(":")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]") or server,
            int(port) if port.isdecimal() else _KAFKA_PORT,
            family=family,
            type=socket.SOCK_DGRAM,
        )[0]
        with socket.socket(family, kind, protocol) as asked:
            asked.connect(address)
            found: str = asked.getsockname()[0]
            return found
    except (OSError, UnicodeError):  # the latter of a name that can be none, which waiting for a broker reports
        return socket.gethostname()
