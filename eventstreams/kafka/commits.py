"""What is committed of a partition, as the client takes it, and what Kafka answers. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from confluent_kafka import KafkaError, TopicPartition

from eventstreams.kafka.records import Partition

NOTE_CHARS: Final = 3_000  # Kafka takes 4,096 where nobody has changed its offset.metadata.max.bytes

# What Kafka says of a topic, or of a note: it has taken, or would take, what is committed of others.
_OF_ONE: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.OFFSET_METADATA_TOO_LARGE,
    }
)


class Commit(NamedTuple):
    """How far a partition is done with.

    Attributes:
        offset: The **next** one to be read.
        note: ASCII, at most ``NOTE_CHARS``. Kafka keeps it with the offset, for whoever has the partition next.
    """

    offset: int
    note: str = ""


Commits = Mapping[Partition, Commit]


def for_client(commits: Commits, *, notes: bool) -> list[TopicPartition]:
    """``commits`` as the client takes them, with their ``notes`` or without."""
    return [TopicPartition(*at, each.offset, each.note if notes else "") for at, each in commits.items()]


class CommitAnswer(Protocol):
    """Kafka's, for one partition: the client's ``TopicPartition``."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def error(self) -> KafkaError | None: ...


def not_committed(error: KafkaError | None, answers: Sequence[CommitAnswer]) -> Mapping[Partition, KafkaError]:
    """Which partitions were not committed, and why. Kafka may refuse some, and take the others of the same request.

    Args:
        error: Of the request as a whole.
        answers: For each of its partitions.
    """
    failures = ((Partition(each.topic, each.partition), error or each.error) for each in answers)
    return {partition: failure for partition, failure in failures if failure is not None}


def is_answer(failed: Mapping[Partition, KafkaError]) -> bool:
    """Whether Kafka takes commits, although of one request it refused those of ``failed``, of which there may be none.

    Those of a topic that is gone are refused for ten seconds, until the client knows; nobody else waits for that.
    """
    return all(each.code() in _OF_ONE for each in failed.values())


class FoundCommit(Protocol):
    """Kafka's, for one partition, to the question what is committed: the client's ``TopicPartition``."""

    @property
    def offset(self) -> int: ...
    @property
    def metadata(self) -> str | None: ...


def found_commit(answer: FoundCommit) -> Commit | None:
    """What was committed; None where nothing was."""
    if answer.offset < 0:
        return None
    try:
        return Commit(answer.offset, answer.metadata or "")
    except UnicodeDecodeError:  # a note of somebody else's: the client reads it as UTF-8 when it is asked for
        return Commit(answer.offset)
