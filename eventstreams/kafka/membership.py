"""One member's place in its group: whether it has one, and the client that holds it.

A client that does not get back into the group is replaced. Use it only on the consumer's thread; ``is_out`` and
``joins`` may be read from any thread.
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
_MOST_CLOSING: Final = 3  # replaced clients that have not finished closing
_CLOSE_S: Final = 5.0
_FENCED_ONCE_S: Final = 60.0  # two processes with one name fence each other within a few heartbeats

_OnPartitions = Callable[[Consumer, list[TopicPartition]], None]
_OnCommit = Callable[[KafkaError | None, list[TopicPartition]], None]


class Membership:
    """The membership of one consumer. It starts without a subscription."""

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
        """Replaced clients call all callbacks but ``on_commit`` too, on the threads that close them."""
        self._config = config
        self._on_commit = on_commit
        self._opened = 0
        self.client = self._open()
        """The current client."""
        self.joins = 0
        """How often it has been assigned a share of the group's partitions, which may be empty."""
        self.rejoin_s: Final = rejoin_s
        self.has_name: Final = "group.instance.id" in config
        self._name_taken = name_taken
        self._on_assign = on_assign
        self._on_revoke = on_revoke
        self._on_lost = on_lost
        self._topics: list[str] = []
        self._out_since: float | None = None  # since when it is subscribed but not in the group
        self._fenced_at: float | None = None  # when another member last took its name
        self._closing: list[threading.Thread] = []

    @property
    def is_out(self) -> bool:
        """Whether it is not a member of its group now: it waits to join, or to rejoin."""
        return self._out_since is not None and bool(self._topics)  # who wants nothing does not wait

    @property
    def is_stuck(self) -> bool:
        """Whether it has been out of the group for so long that its client should be replaced."""
        return self._out_since is not None and time.monotonic() - self._out_since > self.rejoin_s

    def subscribe(self, topics: list[str]) -> None:
        """Subscribe to exactly ``topics``; with none it leaves the group."""
        if not topics:
            self._out_since = None
        elif not self.joins or not self._topics:  # it has not joined yet, or has left
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
                raise  # a fatal error is reported by the next poll too, and the client that replaces it subscribes

    def joined(self) -> int:
        """Note that it was assigned a share; returns the number of this join."""
        self.joins += 1
        self._out_since = None
        return self.joins

    def lost(self) -> None:
        """Note that it has lost its place."""
        self._out_since = time.monotonic()

    def fenced(self) -> None:
        """Note that this client was fenced. The first time that is most likely our own doing; soon again, it is not.

        Kafka gives a name to whoever joined with it last. After Kafka was silent, that can be an earlier join request
        of this very client, whose answer it did not wait for.

        Raises:
            NameTakenError: another process has the name. Otherwise replace the client, which takes the name back.
        """
        now = time.monotonic()
        if self._fenced_at is not None and now - self._fenced_at < _FENCED_ONCE_S:
            raise self._name_taken()
        self._fenced_at = now

    def replace(self, why: str) -> None:
        """Start over with a new client.

        Librdkafka (2.16) never rejoins if its session expired while it was requesting the committed offsets of new
        partitions: it gives those up only after the answer, for which it needs the group's coordinator, which it looks
        for only after giving them up. The cause may also be Kafka itself; then replacing does no harm, and the old
        client closes at once.

        Raises:
            FatalConsumerError: too many replaced clients have not finished closing.
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
        """Leave the group, after its partitions were revoked."""
        if self._out_since is None:
            self.client.close()
        else:  # there is nothing to commit, and a stuck client never finishes closing
            _end_beside(self.client).join(_CLOSE_S)

    def _open(self) -> Consumer:
        self._opened += 1
        return Consumer({**self._config, "on_commit": partial(self._committed, self._opened)})

    def _committed(self, opened: int, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        if opened == self._opened:  # otherwise it was replaced, and is being closed on another thread
            self._on_commit(error, partitions)


def is_fatal(error: KafkaError) -> bool:
    """Whether the client that reported ``error`` is unusable from now on."""
    return error.code() == KafkaError._FATAL  # noqa: SLF001 - its public name; `fatal()` is false in messages


def _end_beside(client: Consumer) -> threading.Thread:
    thread = threading.Thread(target=client.close, name="consumer-end", daemon=True)
    thread.start()
    return thread
