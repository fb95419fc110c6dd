"""What becomes of copies that brokers do not take, however they are made. For the lane's thread alone."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from confluent_kafka import KafkaError

from eventstreams.headers import KNOWN, MAX_DETAIL_BYTES, Headers, dead_headers
from eventstreams.kafka.producer import LASTING
from eventstreams.reasons import DeadReason
from router.copying.avoided_topics import AvoidedTopics
from router.planning.plan import Copy

RETRY_S: Final = 0.5
TURN_S: Final = 1.0
STUCK_S: Final = 5.0  # a leader that ends in order is replaced within one or two
_STRIKES: Final = 3  # of a topic that refuses: a new one is refused, too, until all brokers know it

Restore = Callable[[set[str]], set[str] | None]
"""Of topics that did not take a copy: makes again those that are needed and missing. Returns those that are missing
and that no route leads to any more; None where no broker answers."""


class Source(Protocol):
    """What a copy shares with its event: these very bytes."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class _Nothing:
    key: None = None
    value: None = None


NOTHING: Final = _Nothing()
_Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Failed:
    """A copy that the broker did not acknowledge; ``partition``: for which it was, where that is known, or -1."""

    error: KafkaError
    copy: Copy
    source: Source
    partition: int

    @property
    def lasts(self) -> bool:
        """Whether no broker will ever take it."""
        return self.error.code() in LASTING


class Copies(ABC):
    """``settle`` returns once all that were made are somewhere."""

    def __init__(
        self,
        *,
        dead_topic: str,
        restore: Restore,
        avoided_topics: AvoidedTopics,
        turned: Callable[[], None],
    ) -> None:
        """No copies yet.

        Args:
            dead_topic: Where copies go that the broker will never take. There is no way around it.
            restore: Asked before copies that failed are repeated or given up.
            avoided_topics: Hears of topics that take nothing, and knows where their copies go.
            turned: Called about every second while there is anything to wait for.
        """
        self._dead_topic = dead_topic
        self._restore = restore
        self._avoided_topics = avoided_topics
        self._turned = turned
        self.dropped = 0
        """How many are on no subscription's topic although they were made: nobody wants them any more, or no broker
        takes them. For others to take from."""
        self.turns = 0
        """In how many waits of ``TURN_S`` brokers acknowledged any: whoever looks sees that it goes on."""

    @property
    @abstractmethod
    def topics(self) -> int:
        """To how many topics copies have gone."""

    @abstractmethod
    def settle(self) -> object:
        """Return once the brokers have every copy, on its topic or on its way around it; or its topic is gone."""

    def close(self) -> None:  # noqa: B027 - not all have anything to close
        """Let go of what it sends with."""

    def _judge(self, failed: Sequence[Failed], strikes: Counter[_Place]) -> None:
        """Have places avoided that take nothing although brokers answer."""
        for place, each in {(each.copy.topic, each.partition): each for each in failed}.items():
            if each.lasts and each.copy.topic != self._dead_topic:
                continue  # it becomes a dead letter at once
            strikes[place] += _STRIKES if each.error.code() == KafkaError._PURGE_QUEUE else 1  # noqa: SLF001 - its name
            if strikes[place] >= _STRIKES and each.copy.topic != self._dead_topic:
                self._avoided_topics.avoid(each.copy, each.partition)

    def _again(self, failed: Failed) -> tuple[Copy, Source]:
        """What to make in place of what failed."""
        copy, source = failed.copy, failed.source
        if not failed.lasts:
            return (self._avoided_topics.around(copy) if self._avoided_topics.avoids(copy) else copy), source
        if copy.topic != self._dead_topic:
            self.dropped += 1
            # Our topics take more than the events' own, so this needs an operator's hand; the partition goes on.
            reason, detail = DeadReason.TOO_LARGE, failed.error.str()
            origin = copy.home or copy.topic
            headers = dead_headers(copy.headers, None, origin=origin, reason=reason, code=reason.code, detail=detail)
            return Copy(self._dead_topic, headers), source
        # Not even the dead letters take it: compressed by its producer it was small enough for the events topic,
        # which still has it. What is left tells which event it was, and why.
        return Copy(self._dead_topic, _short(copy.headers)), NOTHING


def _short(headers: Headers) -> list[tuple[str, bytes]]:
    """Those of ``headers`` that we know and that are short. Whatever types say, a header's value can be none at all."""
    known = ((name, value or b"") for name, value in dict(headers).items() if name in KNOWN)
    return [(name, value) for name, value in known if len(value) <= MAX_DETAIL_BYTES]
