"""The corpus of hostile destinations, and a resolver that answers as the corpus says."""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from yarl import URL

CORPUS: Final = Path(__file__).parents[1] / "data" / "hostile-urls.txt"


@dataclass(frozen=True)
class HostileUrl:
    """One line of the corpus.

    Attributes:
        taken: Whether the configuration of a webhook sink accepts it.
        addresses: What its name resolves to; empty if its host is not a name.
    """

    url: str
    taken: bool
    addresses: Sequence[str]

    @property
    def host(self) -> str:
        """The host, if it is accepted; an IPv6 address has no brackets."""
        return URL(self.url, encoded=True).raw_host or ""


def hostile_urls() -> Iterator[HostileUrl]:
    for line in CORPUS.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            url, end = json.JSONDecoder().raw_decode(rest)
            yield HostileUrl(url, {"taken": True, "refused": False}[word], rest[end:].split())


URLS: Final = list(hostile_urls())
TAKEN: Final = [each for each in URLS if each.taken]


class Resolver:
    """In place of ``socket.getaddrinfo``: resolves names by the corpus, and addresses to themselves, without DNS."""

    def __init__(self, names: Mapping[str, Sequence[str]]) -> None:
        self._names = {name.lower().rstrip("."): addresses for name, addresses in names.items()}
        self._real = socket.getaddrinfo

    def __call__(
        self,
        host: str,
        port: object,
        family: int = 0,
        type: int = 0,  # noqa: A002 - as it is called by name
        proto: int = 0,
        flags: int = 0,
    ) -> list[object]:
        found = self._names.get(str(host).lower().rstrip("."), [host])
        numeric = flags | socket.AI_NUMERICHOST
        return [each for one in found for each in self._real(one, port, 0, type, proto, numeric)]  # type: ignore[arg-type]  # passed on
