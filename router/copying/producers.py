"""The idempotent producers of one router: one for few topics, another for each further ``_TOPICS`` of them.

With every answer that comes, librdkafka's thread looks through all topics of its producer for what else to send, and
it sends the batch of each topic by itself. So what a batch costs grows with the topics of its producer, and a single
one of 5,000 spends most of its time on looking. Each topic has one producer for good: its copies keep their order.
"""

from collections import Counter
from collections.abc import Callable, Container
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from confluent_kafka import KafkaException, Producer

from eventstreams.errors import FatalProducerError
from eventstreams.kafka.config import client_config
from eventstreams.settings import Settings

_TOPICS: Final = 250
_MOST_PRODUCERS: Final = 16  # each has two threads and a connection to every broker
_BUFFER_COPIES: Final = 100_000  # a second of what one router makes: bounds memory, and what a crash repeats
_BUFFER_KIB: Final = 128 << 10  # of values; as many copies of events of 1.3 KiB
_SHARE: Final = 8  # of these bounds a further producer has one so many-th: its topics share the same stream


class Producers(dict[str, Callable[..., None]]):
    """By topic: the ``produce`` of the client that copies to it go through. For one thread alone."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._producers = [self._open(1)]
        self._used: Counter[Callable[..., None]] = Counter()  # for how many topics each one is
        self._kept = _TOPICS
        self._pool = ThreadPoolExecutor(_MOST_PRODUCERS, "router-flush")

    def __missing__(self, topic: str) -> Callable[..., None]:
        produce = min((each.produce for each in self._producers), key=self._used.__getitem__)
        if self._used[produce] >= _TOPICS and len(self._producers) < _MOST_PRODUCERS:
            self._producers.append(self._open(_SHARE))
            produce = self._producers[-1].produce
        self._used[produce] += 1
        self[topic] = produce
        return produce

    @property
    def are_many(self) -> bool:
        """Whether there are twice as many topics as were kept last: some may be gone, and count for nothing."""
        return len(self) > 2 * self._kept

    def keep(self, wanted: Container[str]) -> None:
        """Forget all topics but those of ``wanted``, and close clients that are for none then.

        Nothing may be under way: a topic that is wanted again has another client, which would overtake the first.
        """
        for topic in [each for each in self if each not in wanted]:
            self._used[self.pop(topic)] -= 1
        self._kept = max(len(self), _TOPICS)
        self._producers[1:] = [each for each in self._producers[1:] if self._used[each.produce]]
        self._used = +self._used

    def flush(self, timeout_s: float) -> int:
        """Wait until the brokers have answered for every copy, at most ``timeout_s``; how many are left.

        All at once: a client sends what it has only when it is flushed. What failed is reported meanwhile, on a
        thread for each client.

        Raises:
            FatalProducerError: one of them can never deliver again; nothing is known of its copies.
        """
        try:
            if len(self._producers) == 1:
                return self._producers[0].flush(timeout_s)
            return sum(self._pool.map(lambda each: each.flush(timeout_s), self._producers))
        except (KafkaException, SystemError) as error:  # the latter where more is reported on top of the former
            raise FatalProducerError(f"Kafka's producer gave up: {error.__cause__ or error}") from error

    def give_back(self) -> None:
        """Let what cannot be sent be reported, each copy with an error of its own; what was sent stays."""
        for each in self._producers:
            # ``blocking`` means its opposite in confluent-kafka 2.16: this one waits for nobody. One that waits for
            # librdkafka's threads keeps the interpreter's lock, and nothing runs while one of them looks up a name.
            each.purge(in_queue=True, in_flight=False, blocking=True)

    def answered(self, topic: str, timeout_s: float) -> bool:
        """Whether any broker says within ``timeout_s`` where ``topic`` is."""
        try:
            self._producers[0].list_topics(topic, timeout=timeout_s)
        except KafkaException:
            return False
        return True

    def _open(self, share: int) -> Producer:
        return Producer(client_config(self._settings, producer_config(share)))


def producer_config(share: int) -> dict[str, object]:
    """Of a client that makes copies, with one ``share``-th of the room for them."""
    return {
        "enable.idempotence": True,  # acks=all, in order, no duplicates from the client's own retries
        "linger.ms": 10_000,  # a flush says when; only a batch that is full goes sooner
        "batch.size": 1 << 20,
        "message.max.bytes": 4 << 20,
        "queue.buffering.max.messages": _BUFFER_COPIES // share,
        "queue.buffering.max.kbytes": _BUFFER_KIB // share,
        "topic.metadata.propagation.max.ms": 5_000,  # a topic that is gone stalls the lane this long
        "socket.timeout.ms": 10_000,  # and a broker that hangs this long
        "delivery.report.only.error": True,
    }
