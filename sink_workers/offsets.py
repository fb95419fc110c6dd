"""Which records of one partition are settled, and how far it may be committed. Pure."""

from collections import deque


class OffsetTracker:
    """Records are taken in order of offset and settled in any order; only a contiguous prefix is committable."""

    __slots__ = ("_committable", "_settled", "_taken")

    def __init__(self) -> None:
        self._taken: deque[int] = deque()
        self._settled: set[int] = set()
        self._committable: int | None = None

    @property
    def committable(self) -> int | None:
        """The **next** offset to read once everything before it is settled; None before the first record is."""
        return self._committable

    @property
    def unsettled(self) -> int:
        """How many records were taken and are not settled."""
        return len(self._taken) - len(self._settled)

    @property
    def window(self) -> int:
        """How many records were taken and are not committable: the first unsettled one and all behind it."""
        return len(self._taken)

    def take(self, offset: int) -> None:
        """``offset`` is ours to settle now; greater than any taken before."""
        self._taken.append(offset)

    def settle(self, offset: int) -> None:
        """``offset``, which was taken, is settled."""
        self._settled.add(offset)
        while self._taken and self._taken[0] in self._settled:
            first = self._taken.popleft()
            self._settled.remove(first)
            self._committable = first + 1
