"""Commits of partitions: our type, the client's, and what Kafka's answers mean. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from confluent_kafka import KafkaError, TopicPartition

from eventstreams.kafka.records import Partition

NOTE_CHARS: Final = 3_000  # Kafka accepts 4,096 unless its offset.metadata.max.bytes was changed

# Errors about one topic or one note: Kafka accepts, or would accept, the commits of other partitions.
_OF_ONE: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.OFFSET_METADATA_TOO_LARGE,
    }
)


class Commit(NamedTuple):
    """How far a partition is settled.

    Attributes:
        offset: The **next** one to be read.
        note: ASCII, at most ``NOTE_CHARS``. Kafka stores it with the offset, for the partition's next owner.
    """

    offset: int
    note: str = ""


Commits = Mapping[Partition, Commit]


def for_client(commits: Commits, *, notes: bool) -> list[TopicPartition]:
    """``commits`` in the client's type, with or without their ``notes``."""
    return [TopicPartition(*at, each.offset, each.note if notes else "") for at, each in commits.items()]


class CommitAnswer(Protocol):
    """Kafka's answer to a commit, for one partition: the client's ``TopicPartition``."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def error(self) -> KafkaError | None: ...


def not_committed(error: KafkaError | None, answers: Sequence[CommitAnswer]) -> Mapping[Partition, KafkaError]:
    """Which partitions were not committed, and why. Kafka may refuse some of a request and accept the others.

    Args:
        error: The error of the request as a whole, if any.
        answers: One for each of its partitions.
    """
    failures = ((Partition(each.topic, each.partition), error or each.error) for each in answers)
    return {partition: failure for partition, failure in failures if failure is not None}


def is_answer(failed: Mapping[Partition, KafkaError]) -> bool:
    """Whether Kafka accepts commits in general, although it refused those in ``failed`` (which may be empty).

    Commits for a deleted topic are refused for ten seconds, until the client learns of it; nothing else waits for that.
    """
    return all(each.code() in _OF_ONE for each in failed.values())


class FoundCommit(Protocol):
    """Kafka's answer, for one partition, to what is committed: the client's ``TopicPartition``."""

    @property
    def offset(self) -> int: ...
    @property
    def metadata(self) -> str | None: ...


def found_commit(answer: FoundCommit) -> Commit | None:
    """What was committed; None if nothing was."""
    if answer.offset < 0:
        return None
    try:
        return Commit(answer.offset, answer.metadata or "")
    except UnicodeDecodeError:  # not a note of ours: the client decodes it as UTF-8 on access
        return Commit(answer.offset)
