"""Finds the owner of each topic of this installation, and which topics are orphaned, for how long. Pure.

A subscription topic belongs to its subscription. A sink type's topics are in use if there is a sink or subscription of
that type, its plugin is installed, or it has workers. Topics with other names, except shared ones, are not ours.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from control_api.replicas.snapshot_overlay import Resources
from eventstreams.topics import TopicKind, TopicName, Topics


@dataclass(frozen=True, slots=True)
class OwnTopic:
    """A topic of this installation.

    Attributes:
        name: Its name.
        told: What the name says.
        partitions: The number of its partitions.
        account_sid: The account of its subscription; None if there is none, or it does not belong to one account.
        orphaned: Whether what it is for does not exist.
    """

    name: str
    told: TopicName
    partitions: int
    account_sid: str | None
    orphaned: bool


def survey(
    existing: Mapping[str, int], topics: Topics, snapshot: Resources, delivered_types: Collection[str]
) -> Sequence[OwnTopic]:
    """All topics of ours among ``existing`` (names with numbers of partitions), sorted by name.

    ``delivered_types`` have workers, whether or not there are such sinks. ``snapshot`` must contain everything that was
    written before ``existing`` was listed: otherwise, topics that were just created would seem to be orphaned.
    """
    subscriptions = snapshot.subscriptions.values()
    types = {*delivered_types, *(each.sink_type for each in snapshot.sinks.values())}
    types.update(each.sink_type for each in subscriptions)
    owners = {topics.subscription(each.sink_type, each.sid): each.account_sid for each in subscriptions}
    found = []
    for name in sorted(existing):
        told = topics.read(name)
        if told is not None:
            owner = owners.get(name)
            found.append(OwnTopic(name, told, existing[name], owner, _is_orphaned(told, owner, types)))
    return found


def _is_orphaned(told: TopicName, owner: str | None, types: Collection[str]) -> bool:
    match told.kind:
        case TopicKind.SHARED:
            return False
        case TopicKind.SUBSCRIPTION:
            return owner is None
        case TopicKind.RETRY | TopicKind.DEAD | TopicKind.TEST:
            return told.sink_type not in types


class Sightings:
    """Remembers how long topics have been seen orphaned. Bounded by the number of topics."""

    def __init__(self, *, most_step_s: float) -> None:
        """``most_step_s``: the time between two looks counts as at most this long.

        So if a process was suspended and resumed, that time does not count.
        """
        self._most_step_s = most_step_s
        self._ages: dict[str, float] = {}
        self._looked_s = 0.0

    def see(self, orphans: Iterable[str], now_s: float) -> None:
        """Note that exactly ``orphans`` are orphaned at ``now_s``, by a monotonic clock. Others start again at 0."""
        step_s, self._looked_s = min(now_s - self._looked_s, self._most_step_s), now_s
        self._ages = {name: self._ages[name] + step_s if name in self._ages else 0.0 for name in orphans}

    def age_s(self, topic: str) -> float:
        """How long the topic has been seen orphaned, in seconds; 0 if never."""
        return self._ages.get(topic, 0.0)
