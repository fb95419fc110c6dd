"""What happens to copies that brokers do not accept, in either mode of routing. Only for the lane's thread."""

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
STUCK_S: Final = 5.0  # a leader that shuts down cleanly is replaced within one or two seconds
_STRIKES: Final = 3  # refusals before a topic is avoided: a new topic is refused, too, until all brokers know it

Restore = Callable[[set[str]], set[str] | None]
"""Given topics that did not accept a copy, creates again those that are missing and still needed. Returns the missing
ones that no route leads to any more; None if it could not find out, as when no broker answers."""


class Source(Protocol):
    """What a copy shares with its event, byte for byte."""

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
    """A copy that the broker did not acknowledge; ``partition`` is the one it was sent to, -1 if unknown."""

    error: KafkaError
    copy: Copy
    source: Source
    partition: int

    @property
    def lasts(self) -> bool:
        """Whether no broker will ever accept it."""
        return self.error.code() in LASTING


class Copies(ABC):
    """Copies on their way to the brokers; ``settle`` waits until each of them is stored or given up."""

    def __init__(
        self,
        *,
        dead_topic: str,
        restore: Restore,
        avoided_topics: AvoidedTopics,
        turned: Callable[[], None],
    ) -> None:
        """Start without copies.

        Args:
            dead_topic: Topic for copies that no broker will ever accept. There is no detour around it.
            restore: Called before failed copies are repeated or given up.
            avoided_topics: Told of topics that accept nothing; knows where their copies go.
            turned: Called about every second while waiting.
        """
        self._dead_topic = dead_topic
        self._restore = restore
        self._avoided_topics = avoided_topics
        self._turned = turned
        self.dropped = 0
        """Copies that were made but are on no subscription's topic: no subscription wants them any more, or no broker
        accepts them. Callers reset it."""
        self.turns = 0
        """Number of waits of ``TURN_S`` in which brokers acknowledged anything: shows the health check progress."""

    @property
    @abstractmethod
    def topics(self) -> int:
        """Number of topics that copies were sent to."""

    @abstractmethod
    def settle(self) -> object:
        """Wait until the brokers have every copy, on its topic or on a detour, or its topic is gone."""

    def close(self) -> None:  # noqa: B027 - not all have anything to close
        """Release the producers."""

    def _judge(self, failed: Sequence[Failed], strikes: Counter[_Place]) -> None:
        """Have those destinations avoided that repeatedly accept nothing although brokers answer."""
        for place, each in {(each.copy.topic, each.partition): each for each in failed}.items():
            if each.lasts and each.copy.topic != self._dead_topic:
                continue  # it becomes a dead letter at once
            strikes[place] += _STRIKES if each.error.code() == KafkaError._PURGE_QUEUE else 1  # noqa: SLF001 - its name
            if strikes[place] >= _STRIKES and each.copy.topic != self._dead_topic:
                self._avoided_topics.avoid(each.copy, each.partition)

    def _again(self, failed: Failed) -> tuple[Copy, Source]:
        """Return the copy to send in place of a failed one, with what it is a copy of."""
        copy, source = failed.copy, failed.source
        if not failed.lasts:
            return (self._avoided_topics.around(copy) if self._avoided_topics.avoids(copy) else copy), source
        if copy.topic != self._dead_topic:
            self.dropped += 1
            # Our topics accept larger records than the events topic, so an operator must have changed something; the
            # partition goes on.
            reason, detail = DeadReason.TOO_LARGE, failed.error.str()
            origin = copy.home or copy.topic
            headers = dead_headers(copy.headers, None, origin=origin, reason=reason, code=reason.code, detail=detail)
            return Copy(self._dead_topic, headers), source
        # Not even the dead-letter topic accepts it: compressed by its producer it was small enough for the events
        # topic, which still has it. The headers that are left tell which event it was, and why.
        return Copy(self._dead_topic, _short(copy.headers)), NOTHING


def _short(headers: Headers) -> list[tuple[str, bytes]]:
    """Return those ``headers`` that are ours and short. Despite the type, a header's value can be None."""
    known = ((name, value or b"") for name, value in dict(headers).items() if name in KNOWN)
    return [(name, value) for name, value in known if len(value) <= MAX_DETAIL_BYTES]
