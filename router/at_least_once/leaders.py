"""Which broker leads which partition, according to the latest metadata. No I/O."""

from collections.abc import Container
from typing import Any, Final

from router.at_least_once.record_batch import Place

_NONE: Final = -1


class Leaders(dict[Place, int]):
    """The broker id of each partition's leader. For a partition that is not in here, metadata must be requested."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, int] = {}

    def learn(self, answer: Any) -> dict[str, int]:
        """Take in ``answer``, a response of Kafka's Metadata API; return the error code of each topic in it.

        The code is 0 if the topic exists, whether or not its partitions have leaders.
        """
        codes: dict[str, int] = {}
        for code, topic, _, partitions in answer.topics:
            codes[topic] = code
            self.forget(topic)
            if code:
                continue
            self._counts[topic] = len(partitions)
            for _, partition, leader, *_ in partitions:
                if leader != _NONE:
                    self[topic, partition] = leader
        return codes

    def count(self, topic: str) -> int:
        """Return how many partitions ``topic`` has; 0 if unknown."""
        return self._counts.get(topic, 0)

    def forget(self, topic: str) -> None:
        """Forget the leaders and the number of partitions of ``topic``."""
        for partition in range(self._counts.pop(topic, 0)):
            self.pop((topic, partition), None)

    def keep(self, wanted: Container[str]) -> None:
        """Forget all topics except ``wanted``."""
        for topic in [each for each in self._counts if each not in wanted]:
            self.forget(topic)
