"""Decides what an import writes, given what is there already. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from control_api.backup.document import Backup, BackupError
from eventstreams.control.records import (
    Account,
    ApiKey,
    Resource,
    SinkRecord,
    Subscription,
    SubscriptionState,
)
from eventstreams.control.snapshot import Snapshot

_NAMES = {Account: "account", ApiKey: "API key", SinkRecord: "sink", Subscription: "subscription"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import is to do.

    Attributes:
        added: Resources that are missing in the installation, in an order in which they can be written.
        replaced: Resources that are older in the installation, likewise.
        kept: How many are as new or newer in the installation.
        left_out: A sentence for each resource of the file that cannot be imported.
    """

    added: Sequence[Resource]
    replaced: Sequence[Resource]
    kept: int
    left_out: Sequence[str]

    @property
    def writes(self) -> Sequence[Resource]:
        return [*self.added, *self.replaced]

    @property
    def subscriptions(self) -> Sequence[Subscription]:
        """The subscriptions to write, whose topics must exist first."""
        return [each for each in self.writes if isinstance(each, Subscription)]


def plan(backup: Backup, there: Snapshot, *, into_existing: bool, most_partitions: int) -> Plan:
    """Decide what importing ``backup`` writes.

    Raises:
        BackupError: the installation is not empty and not ``into_existing``, a resource belongs to another account or
            sink there, or there would be too many partitions.
    """
    if not into_existing:
        _check_empty(there)
    added: list[Resource] = []
    replaced: list[Resource] = []
    left_out: list[str] = []
    kept, known = 0, _all(there)
    for each in backup.resources:
        before = known.get(each.sid)
        if before is not None and _owners(before) != _owners(each):
            raise BackupError(
                f"{each.sid} belongs to another account in this installation: the file is from a different installation"
            )
        if reason := _lacks(each, known):
            left_out.append(f"{name_of(each)} {each.sid}: {reason}")
        elif before is None:
            added.append(each)
            known[each.sid] = each
        elif each.updated_ms > before.updated_ms:
            replaced.append(each)
            known[each.sid] = each
        else:
            kept += 1
    partitions = sum(each.partitions for each in known.values() if isinstance(each, Subscription))
    if added and partitions > most_partitions:
        raise BackupError(
            f"the subscriptions would have {partitions} partitions, but at most {most_partitions} are allowed: "
            "raise EVENTSTREAMS_MOST_PARTITIONS to what this Kafka can carry"
        )
    return Plan(added, replaced, kept, left_out)


def counted(resources: Iterable[Resource]) -> str:
    """``3 accounts, 1 sink``, or ``nothing`` if there are none."""
    counts = Counter(map(name_of, resources))
    named = ((name, counts[name]) for name in _NAMES.values() if counts[name])
    return ", ".join(f"{number} {name}{'' if number == 1 else 's'}" for name, number in named) or "nothing"


def name_of(resource: Resource) -> str:
    """The kind of resource, in a word or two."""
    return _NAMES[type(resource)]


def _check_empty(there: Snapshot) -> None:
    if found := list(_all(there).values()):
        raise BackupError(
            f"this installation is not empty, it has {counted(found)}: import into an empty one, or use "
            "--into-existing to add what is missing and replace what is older"
        )


def _all(there: Snapshot) -> dict[str, Resource]:
    return {**there.accounts, **there.keys, **there.sinks, **there.subscriptions}


def _owners(resource: Resource) -> Sequence[str | None]:
    match resource:
        case Account(owner_account_sid=owner):
            return [owner]
        case ApiKey(account_sid=owner) | SinkRecord(account_sid=owner):
            return [owner]
        case Subscription():
            return [resource.account_sid, resource.sink_sid, resource.sink_type]


def _lacks(resource: Resource, known: Mapping[str, Resource]) -> str | None:
    """Why the resource cannot be written; None if it can."""
    match resource:
        case Account(owner_account_sid=None):
            return None
        case Account(owner_account_sid=str() as owner) | ApiKey(account_sid=owner) | SinkRecord(account_sid=owner):
            return None if isinstance(known.get(owner), Account) else f"account {owner} does not exist"
        case Subscription(state=SubscriptionState.DELETING):
            return "it was being deleted"
        case Subscription(account_sid=owner, sink_sid=sink_sid):
            sink = known.get(sink_sid)
            if not isinstance(known.get(owner), Account):
                return f"account {owner} does not exist"
            return (
                None
                if isinstance(sink, SinkRecord) and sink.account_sid == owner
                else f"sink {sink_sid} does not exist"
            )
        case Account():
            return None
