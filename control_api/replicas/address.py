"""Where the other replicas reach this process."""

import socket
from ipaddress import ip_address
from typing import Final

from eventstreams.settings import Settings

_KAFKA_PORT: Final = 9092


def advertised_url(settings: Settings, listening: socket.socket) -> str:
    """The setting; default: the address that ``listening`` is bound to, or where that is any, the one that Kafka sees.

    Whoever reaches the same brokers as we do can most likely reach us where they do. No packet is sent.
    """
    if settings.api_advertised_url is not None:
        return settings.api_advertised_url.rstrip("/")
    host, port = listening.getsockname()[:2]
    if ip_address(host).is_unspecified:
        # A socket of IPv4 is reached by nothing else; one of IPv6 that takes any address takes both.
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
    except OSError:
        return socket.gethostname()
