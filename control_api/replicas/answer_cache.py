"""A bounded cache of answers in memory; the oldest are dropped first. Pure."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from eventstreams.topics import ANSWERS_MS

MOST_OF_OWNER: Final = 4_096  # answers per account: if it exceeds that, only it loses old answers
MOST_BYTES: Final = 64 << 20  # of all answers: about 50,000 that show a sink
MOST_BYTES_OF_OWNER: Final = MOST_BYTES // 8
# A replica repeats a request within two minutes, and clocks may differ by five.
_OWN_MS: Final = 420_000
_OVERHEAD: Final = 512  # bytes in memory per answer, in addition to its text


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestName:
    """Identifies a request, so that a repeated one is recognized.

    Attributes:
        digest: Of its key and its owner; reveals neither.
        owner: The account that sent it.
        by_client: Whether the client chose the key: then it is remembered for a day. A replica's is for seven minutes.
        content: Digest of the request: the same key with another request is a mistake.
    """

    digest: str
    owner: str
    by_client: bool
    content: str

    @property
    def key(self) -> str:
        """The key of its record on the topic."""
        return f"{'key' if self.by_client else 'request'}/{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedAnswer:
    """An answer as on the topic: ``answer`` is encrypted JSON."""

    owner: str
    content: str
    answer: str


class AnswerCache:
    """Answers by the key of their request's name."""

    def __init__(
        self,
        *,
        most_of_owner: int = MOST_OF_OWNER,
        most_bytes_of_owner: int = MOST_BYTES_OF_OWNER,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._most_of_owner = most_of_owner
        self._most_bytes_of_owner = most_bytes_of_owner
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, tuple[int, CachedAnswer]] = OrderedDict()
        self._of_owner: dict[str, OrderedDict[str, int]] = {}  # keys with their sizes in bytes
        self._bytes_of_owner: dict[str, int] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: str, *, now_ms: int) -> CachedAnswer | None:
        """The answer to the request ``key``; None if there is none or it is too old."""
        at_ms, kept = self._kept.get(key, (0, None))
        return None if kept is None or is_old(key, at_ms, now_ms) else kept

    def put(self, key: str, kept: CachedAnswer, *, at_ms: int, now_ms: int) -> None:
        """Store the answer to the request ``key``, in order of ``at_ms``; forget old ones."""
        if is_old(key, at_ms, now_ms):
            return
        self._remove(key)
        self._kept[key] = at_ms, kept
        size = len(kept.answer) + _OVERHEAD
        self._bytes += size
        mine = self._of_owner.setdefault(kept.owner, OrderedDict())
        mine[key] = size
        self._bytes_of_owner[kept.owner] = self._bytes_of_owner.get(kept.owner, 0) + size
        while len(mine) > self._most_of_owner or (
            len(mine) > 1 and self._bytes_of_owner[kept.owner] > self._most_bytes_of_owner
        ):
            self._remove(next(iter(mine)))
        self._forget(now_ms)

    def _forget(self, now_ms: int) -> None:
        while self._kept:
            key, (at_ms, _) = next(iter(self._kept.items()))
            if self._bytes <= self._most_bytes and not is_old(key, at_ms, now_ms):
                return
            self._remove(key)

    def _remove(self, key: str) -> None:
        _, kept = self._kept.pop(key, (0, None))
        if kept is None:
            return
        mine = self._of_owner[kept.owner]
        size = mine.pop(key)
        self._bytes -= size
        self._bytes_of_owner[kept.owner] -= size
        if not mine:
            del self._of_owner[kept.owner], self._bytes_of_owner[kept.owner]


def is_old(key: str, at_ms: int, now_ms: int) -> bool:
    """Whether the answer of ``at_ms`` to the request ``key`` has expired."""
    return at_ms + (ANSWERS_MS if key.startswith("key/") else _OWN_MS) < now_ms
