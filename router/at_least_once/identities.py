"""Who sends the batches of each partition, and how they are numbered, so that brokers know what they have. Pure.

A broker that has a batch of the same sender with the same numbers takes another one for it, says that it has it, and
keeps it not. So a number is given once: a partition that begins anew does so under an id that it never had.
"""

from collections.abc import Container
from typing import Final

from router.at_least_once.record_batch import Identity, Place

_NUMBERS: Final = 1 << 31  # then Kafka begins at 0 again


class Identities:
    """``next`` for each batch that is sent for the first time."""

    def __init__(self) -> None:
        self._next: dict[Place, Identity] = {}
        self._newest: Identity | None = None

    def next(self, place: Place, records: int) -> Identity | None:
        """For a batch of so many ``records``. None: Kafka is to be asked for an id, which ``grant`` is told."""
        found = self._next.get(place, self._newest)
        if found is not None:
            self._next[place] = found._replace(sequence=(found.sequence + records) % _NUMBERS)
        return found

    def grant(self, producer_id: int, epoch: int) -> None:
        """Kafka gave this id, which nobody had before."""
        self._newest = Identity(producer_id, epoch, 0)

    def renew(self, place: Place) -> None:
        """The next batch for ``place`` is to be under an id that it never had."""
        known = self._next.pop(place, None)
        if known is not None and self._newest is not None and known.producer_id == self._newest.producer_id:
            self._newest = None

    def keep(self, wanted: Container[str]) -> None:
        """Forget the partitions of all topics but those of ``wanted``."""
        for place in [each for each in self._next if each[0] not in wanted]:
            self.renew(place)
