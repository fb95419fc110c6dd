"""Producer ids, epochs and sequence numbers for the batches of each partition: what makes them idempotent. No I/O.

A broker takes a batch with the producer id and sequence of one that it has for a duplicate: it acknowledges and drops
it. So no sequence is used twice: a partition that starts over does so under a producer id that it never had.
"""

from collections.abc import Container
from typing import Final

from router.at_least_once.record_batch import Identity, Place

_NUMBERS: Final = 1 << 31  # sequence numbers; they wrap around to 0


class Identities:
    """Assigns identities: call ``next`` for each batch that is sent for the first time, or again after ``renew``."""

    def __init__(self) -> None:
        self._next: dict[Place, Identity] = {}
        self._newest: Identity | None = None

    @property
    def suffices(self) -> bool:
        """Whether ``next`` has an identity for every partition; otherwise only for those in here."""
        return self._newest is not None

    def __contains__(self, place: Place) -> bool:
        return place in self._next

    def next(self, place: Place, records: int) -> Identity | None:
        """Return the identity for the next batch of ``place``, of ``records`` records, and advance the sequence.

        None means that a new producer id is needed: ask Kafka for one, pass it to ``grant`` and call again.
        """
        found = self._next.get(place, self._newest)
        if found is not None:
            self._next[place] = found._replace(sequence=(found.sequence + records) % _NUMBERS)
        return found

    def grant(self, producer_id: int, epoch: int) -> None:
        """Use this producer id, new from Kafka, for partitions that need one."""
        self._newest = Identity(producer_id, epoch, 0)

    def renew(self, place: Place) -> None:
        """Have the next batch for ``place`` sent under a producer id that the partition never had."""
        known = self._next.pop(place, None)
        if known is not None and self._newest is not None and known.producer_id == self._newest.producer_id:
            self._newest = None

    def keep(self, wanted: Container[str]) -> None:
        """Forget the partitions of all topics except ``wanted``."""
        for place in [each for each in self._next if each[0] not in wanted]:
            self.renew(place)
