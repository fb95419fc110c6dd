"""Whose each topic of this installation is; those that belong to nobody, and for how long. Pure.

A subscription's topic is its subscription's. A sink type's topics are everybody's who has a sink or a subscription of
that type, or its plugin, or workers of it. What is neither, nor shared by all, is none of our business.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from control_api.replicas.snapshot_overlay import Resources
from eventstreams.topics import TopicKind, TopicName, Topics


@dataclass(frozen=True, slots=True)
class OwnTopic:
    """A topic of this installation.

    Attributes:
        account_sid: Whose subscription's it is; None: nobody's, or not one account's.
        orphaned: What it is for does not exist.
    """

    name: str
    told: TopicName
    partitions: int
    account_sid: str | None
    orphaned: bool


def survey(
    existing: Mapping[str, int], topics: Topics, snapshot: Resources, delivered_types: Collection[str]
) -> Sequence[OwnTopic]:
    """Every topic of ours among ``existing`` (each with its number of partitions), by name.

    ``delivered_types`` have workers, whether or not anybody has such a sink. ``snapshot`` must hold all that was
    written before ``existing`` was asked for: else what was made a moment ago seems to be nobody's.
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
    """For how long topics were seen to belong to nobody. Bounded by how many there are."""

    def __init__(self, *, most_step_s: float) -> None:
        """``most_step_s``: what lies between two looks counts for so long at most.

        So a process that stood still, and goes on in the middle of what it was doing, has not waited meanwhile.
        """
        self._most_step_s = most_step_s
        self._ages: dict[str, float] = {}
        self._looked_s = 0.0

    def see(self, orphans: Iterable[str], now_s: float) -> None:
        """Exactly ``orphans`` belong to nobody at ``now_s``, by a steady clock. What had an owner begins anew."""
        step_s, self._looked_s = min(now_s - self._looked_s, self._most_step_s), now_s
        self._ages = {name: self._ages[name] + step_s if name in self._ages else 0.0 for name in orphans}

    def age_s(self, topic: str) -> float:
        """0 also where it was never seen so."""
        return self._ages.get(topic, 0.0)
