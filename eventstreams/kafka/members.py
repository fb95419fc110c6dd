"""The members of consumer groups, and the name that a process keeps in its groups (static membership).

If several members use one name, Kafka gives it to the one that joined last.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple, cast

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from eventstreams.errors import NameTakenError
from eventstreams.kafka.config import client_config
from eventstreams.kafka.records import Partition
from eventstreams.settings import PREFIX, Settings

_ANSWER_S: Final = 10.0
_STABLE: Final = "Stable"
_UNIQUE: Final = 37  # length of what Kafka appends to a member's name to make its id: a hyphen and a UUID


class Member(NamedTuple):
    """One member of a group.

    Attributes:
        id: The member id that Kafka gave it when it joined.
        share: The partitions that it was assigned.
    """

    id: str
    share: frozenset[Partition]

    def name_in(self, group: str) -> str | None:
        """The static name (``group.instance.id``) that it has as one of ours in ``group``; None if it has none."""
        return self.id[:-_UNIQUE] if self.id.startswith(f"{group}-") else None


class Group(NamedTuple):
    """A consumer group of the classic protocol, at one moment.

    Attributes:
        is_stable: All partitions are assigned, as far as Kafka knows, and no rebalance is in progress.
        members: In no particular order.
    """

    is_stable: bool
    members: tuple[Member, ...]


def find_group(client: AdminClient, group: str) -> Group:
    """The current state of ``group``; empty if Kafka does not know it. Blocks, for half a minute at most.

    Raises:
        KafkaException: Kafka did not answer, or refused.
    """
    try:
        return _ask(client, group)
    except KafkaException:  # every broker is asked, and the client learns from a metadata request that one is gone
        client.list_topics(timeout=_ANSWER_S)
        return _ask(client, group)


def _ask(client: AdminClient, group: str) -> Group:
    # Not describe_consumer_groups, which is newer: if its answer does not come in time, or the connection is closed,
    # librdkafka (2.16) uses freed memory and crashes the process (librdkafka#4605).
    for found in client.list_groups(group, timeout=_ANSWER_S):
        if found.error is not None:
            raise KafkaException(found.error)
        members = (
            Member(cast(str, each.id), frozenset(_partitions(cast(bytes, each.assignment)))) for each in found.members
        )
        return Group(found.state == _STABLE, tuple(members))
    return Group(is_stable=False, members=())


def _partitions(assignment: bytes) -> Iterator[Partition]:
    """Decode an assignment of Kafka's consumer protocol: version, topics with their partitions, user data."""
    if not assignment:  # there is none during a rebalance
        return
    _, topics = struct.unpack_from(">hi", assignment)
    at = 6
    for _ in range(topics):
        (length,) = struct.unpack_from(">h", assignment, at)
        topic = assignment[at + 2 : at + 2 + length].decode()
        (count,) = struct.unpack_from(">i", assignment, at + 2 + length)
        at += 6 + length
        for number in struct.unpack_from(f">{count}i", assignment, at):
            yield Partition(topic, number)
        at += 4 * count


def name_in(group: str, settings: Settings) -> str | None:
    """The static name of this process in ``group``; None if ``settings.instance`` is not set."""
    return f"{group}-{settings.instance}" if settings.instance else None


def holder_of(name: str, group: str, settings: Settings) -> str | None:
    """The id of the member of ``group`` that has ``name``; None if nobody has it or Kafka does not answer. Blocks."""
    try:
        found = find_group(AdminClient(client_config(settings)), group)
    except KafkaException:
        return None
    return next((each.id for each in found.members if each.name_in(group) == name), None)


def name_taken(group: str, settings: Settings) -> NameTakenError:
    """The error that ends a process whose name in ``group`` another one has taken."""
    return NameTakenError(
        f"another process has joined the group {group} under the same name and taken this one's place: "
        f"{PREFIX}INSTANCE is {settings.instance} in both; give each process a unique name"
    )
