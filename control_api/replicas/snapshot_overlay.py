"""The snapshot overlaid with staged writes, which are not on the topic yet. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

from typing_extensions import override

from eventstreams.control.records import Account, AccountStatus, ApiKey, Resource, SinkRecord, Subscription
from eventstreams.control.snapshot import Snapshot, status_under

T = TypeVar("T", bound=Resource)

Changes = Mapping[str, object]
"""Staged changes: by SID, the new version of a resource; None: it is removed."""
NOTHING: Final[Changes] = {}


class Resources(Protocol):
    """Read access to all resources, like ``Snapshot``."""

    @property
    def accounts(self) -> Mapping[str, Account]: ...
    @property
    def keys(self) -> Mapping[str, ApiKey]: ...
    @property
    def sinks(self) -> Mapping[str, SinkRecord]: ...
    @property
    def subscriptions(self) -> Mapping[str, Subscription]: ...

    def status_of(self, account: Account) -> AccountStatus: ...
    def subaccounts_of(self, account_sid: str) -> Iterable[Account]: ...
    def keys_of(self, account_sid: str) -> Iterable[ApiKey]: ...
    def sinks_of(self, account_sid: str) -> Iterable[SinkRecord]: ...
    def subscriptions_of(self, account_sid: str) -> Iterable[Subscription]: ...


class SnapshotOverlay:
    """``below`` as it will be once ``changes`` are written. It follows later changes of both."""

    def __init__(self, below: Snapshot, changes: Changes) -> None:
        self._below = below
        self._changes = changes
        self.accounts = _Overlaid(below.accounts, changes, Account)
        self.keys = _Overlaid(below.keys, changes, ApiKey)
        self.sinks = _Overlaid(below.sinks, changes, SinkRecord)
        self.subscriptions = _Overlaid(below.subscriptions, changes, Subscription)

    def status_of(self, account: Account) -> AccountStatus:
        return status_under(account, self.accounts.get(account.owner_account_sid or ""))

    def subaccounts_of(self, account_sid: str) -> Sequence[Account]:
        there = self._below.subaccounts_of(account_sid)
        return self._with(there, Account, lambda each: each.owner_account_sid == account_sid)

    def keys_of(self, account_sid: str) -> Sequence[ApiKey]:
        return self._with(self._below.keys_of(account_sid), ApiKey, lambda each: each.account_sid == account_sid)

    def sinks_of(self, account_sid: str) -> Sequence[SinkRecord]:
        return self._with(self._below.sinks_of(account_sid), SinkRecord, lambda each: each.account_sid == account_sid)

    def subscriptions_of(self, account_sid: str) -> Sequence[Subscription]:
        there = self._below.subscriptions_of(account_sid)
        return self._with(there, Subscription, lambda each: each.account_sid == account_sid)

    def _with(self, there: Iterable[T], kind: type[T], is_theirs: Callable[[T], bool]) -> Sequence[T]:
        """``there`` with staged changes, oldest first."""
        found = [each for each in there if each.sid not in self._changes]
        found += [each for each in self._changes.values() if isinstance(each, kind) and is_theirs(each)]
        return sorted(found, key=lambda each: (each.created_ms, each.sid))


class _Overlaid(Mapping[str, T], Generic[T]):
    def __init__(self, below: Mapping[str, T], changes: Changes, kind: type[T]) -> None:
        self._below = below
        self._changes = changes
        self._kind = kind

    @override
    def __getitem__(self, sid: str) -> T:
        if sid not in self._changes:
            return self._below[sid]
        found = self._changes[sid]
        if not isinstance(found, self._kind):
            raise KeyError(sid)
        return found

    @override
    def __iter__(self) -> Iterator[str]:
        yield from (sid for sid in self._below if sid not in self._changes)
        yield from (sid for sid, each in self._changes.items() if isinstance(each, self._kind))

    @override
    def __len__(self) -> int:
        return sum(1 for _ in self)
