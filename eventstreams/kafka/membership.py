"""The place of a member in its group: whether it has one, and the client that holds it.

A client that does not find back into the group is replaced. All of it is of the consumer's thread; ``is_out`` and
``joins`` may be read from anywhere.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from eventstreams.errors import FatalConsumerError, NameTakenError

_LOG: Final = logging.getLogger(__name__)
_MOST_CLOSING: Final = 3  # clients that were replaced and do not end
_CLOSE_S: Final = 5.0
_FENCED_ONCE_S: Final = 60.0  # two processes with one name put each other out within a few heartbeats

_OnPartitions = Callable[[Consumer, list[TopicPartition]], None]
_OnCommit = Callable[[KafkaError | None, list[TopicPartition]], None]


class Membership:
    """One member's, which takes part in no topic yet."""

    def __init__(
        self,
        config: dict[str, object],
        *,
        rejoin_s: float,
        name_taken: Callable[[], NameTakenError],
        on_assign: _OnPartitions,
        on_revoke: _OnPartitions,
        on_lost: _OnPartitions,
        on_commit: _OnCommit,
    ) -> None:
        """All but ``on_commit`` come from clients that were replaced as well, on the threads that end them."""
        self._config = config
        self._on_commit = on_commit
        self._opened = 0
        self.client = self._open()
        """The one that counts."""
        self.joins = 0
        """How often it has got a share of the group's partitions, be it an empty one."""
        self.rejoin_s: Final = rejoin_s
        self.has_name: Final = "group.instance.id" in config
        self._name_taken = name_taken
        self._on_assign = on_assign
        self._on_revoke = on_revoke
        self._on_lost = on_lost
        self._topics: list[str] = []
        self._out_since: float | None = None  # of the group, although it is subscribed
        self._fenced_at: float | None = None  # when another member took its name last
        self._closing: list[threading.Thread] = []

    @property
    def is_out(self) -> bool:
        """Whether it is not in its group: it has lost its place and waits for another, or for its first."""
        return self._out_since is not None

    @property
    def is_stuck(self) -> bool:
        """Whether it has been out for so long that another client is to take the place of this one."""
        return self._out_since is not None and time.monotonic() - self._out_since > self.rejoin_s

    def subscribe(self, topics: list[str]) -> None:
        """Take part in exactly ``topics``; with none it leaves the group."""
        if not topics:
            self._out_since = None
        elif not self.joins or not self._topics:  # it is in no group yet, or has left it
            self._out_since = self._out_since or time.monotonic()
        self._topics = topics
        try:
            if topics:
                self.client.subscribe(
                    topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
                )
            else:
                self.client.unsubscribe()
        except KafkaException as error:
            if not is_fatal(error.args[0]):
                raise  # else its next poll says so, and whoever takes its place subscribes

    def joined(self) -> int:
        """It has got a share; the number of this join."""
        self.joins += 1
        self._out_since = None
        return self.joins

    def lost(self) -> None:
        """It has lost its place."""
        self._out_since = time.monotonic()

    def fenced(self) -> None:
        """Another member has got its name, which most likely is its own; if it is again at once, somebody else has it.

        Kafka gives a name to who joined with it last. After a silence of Kafka that can be a request of this very
        client, whose answer it did not wait for.

        Raises:
            NameTakenError: by somebody else. Otherwise the client is to be replaced, which takes the name back.
        """
        now = time.monotonic()
        if self._fenced_at is not None and now - self._fenced_at < _FENCED_ONCE_S:
            raise self._name_taken()
        self._fenced_at = now

    def replace(self, why: str) -> None:
        """Begin anew with another client.

        Librdkafka (2.16) never joins again if its session ended while it was asking for the committed offsets of new
        partitions: it waits for that answer before it gives them up, and for the group's coordinator to ask, which it
        looks for only after that. To be out for so long may also be Kafka's doing; then this does no harm, and what is
        replaced ends at once.

        Raises:
            FatalConsumerError: so many do not end that one more would be one too many.
        """
        self._closing = [thread for thread in self._closing if thread.is_alive()]
        if len(self._closing) >= _MOST_CLOSING:
            raise FatalConsumerError(
                f"{len(self._closing)} clients that had left the group {self._config['group.id']} do not end, and "
                "another one has left it: only a new process can rejoin"
            )
        _LOG.warning("consumer.replaced: %s", why)
        self.lost()
        old, self.client = self.client, self._open()
        self._closing.append(_end_beside(old))
        self.subscribe(self._topics)

    def close(self) -> None:
        """Leave the group. What it has of it is revoked before."""
        if not self.is_out:
            self.client.close()
        else:  # there is nothing to commit, and a client that is stuck does not end
            _end_beside(self.client).join(_CLOSE_S)

    def _open(self) -> Consumer:
        self._opened += 1
        return Consumer({**self._config, "on_commit": partial(self._committed, self._opened)})

    def _committed(self, opened: int, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        if opened == self._opened:  # else it was replaced, and is ended beside the thread
            self._on_commit(error, partitions)


def is_fatal(error: KafkaError) -> bool:
    """Whether its client can do nothing any more."""
    return error.code() == KafkaError._FATAL  # noqa: SLF001 - its public name; `fatal()` is false in messages


def _end_beside(client: Consumer) -> threading.Thread:
    thread = threading.Thread(target=client.close, name="consumer-end", daemon=True)
    thread.start()
    return thread
