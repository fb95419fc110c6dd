"""Which broker leads which partition, by what brokers said last. Pure."""

from collections.abc import Container
from typing import Any, Final

from router.at_least_once.record_batch import Place

_NONE: Final = -1


class Leaders(dict[Place, int]):
    """Of partitions that have a leader, its number. What is not in here is to be asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, int] = {}

    def learn(self, answer: Any) -> dict[str, int]:
        """Take in what a broker said of topics, a response of Kafka's Metadata API; the error code of each.

        The code of a topic is 0 where it is there, whether or not its partitions have leaders.
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
        """How many partitions ``topic`` has; 0 where nobody has said."""
        return self._counts.get(topic, 0)

    def forget(self, topic: str) -> None:
        """Know nothing of ``topic``."""
        for partition in range(self._counts.pop(topic, 0)):
            self.pop((topic, partition), None)

    def keep(self, wanted: Container[str]) -> None:
        """Forget all topics but those of ``wanted``."""
        for topic in [each for each in self._counts if each not in wanted]:
            self.forget(topic)
