"""All resources as of one position in the control topic, indexed for lookups."""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from eventstreams.control.filter_room import room_of
from eventstreams.control.records import (
    Account,
    AccountStatus,
    ApiKey,
    ControlRecordError,
    Resource,
    SinkRecord,
    Subscription,
    decode,
    sid_of,
)
from eventstreams.kafka.records import Record

_LOG: Final = logging.getLogger(__name__)
_SEVERITY: Final = {status: rank for rank, status in enumerate(AccountStatus)}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Change:
    """One resource before and after one control record; None where it did or does not exist."""

    before: Resource | None
    after: Resource | None


class Snapshot:
    """The current resources. Resources are immutable; the snapshot changes as control records are applied.

    It is used on one event loop only, so it does not change between two ``await``s.
    """

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.keys: dict[str, ApiKey] = {}
        self.sinks: dict[str, SinkRecord] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self._subaccounts_of: dict[str, dict[str, Account]] = {}
        self._keys_of: dict[str, dict[str, ApiKey]] = {}
        self._sinks_of: dict[str, dict[str, SinkRecord]] = {}
        self._subscriptions_of: dict[str, dict[str, Subscription]] = {}
        self._partitions_of: Counter[str] = Counter()
        self.partitions = 0
        """Partitions of all subscriptions' topics together."""
        self.customers = 0
        """How many accounts are not subaccounts and not closed."""
        self._filter_room_of: Counter[str] = Counter()
        self.filter_room = 0
        """Room that all subscriptions' filters take together: see ``filter_room``."""

    def subaccounts_of(self, account_sid: str) -> Iterable[Account]:
        """The account's subaccounts, oldest first."""
        found = self._subaccounts_of.get(account_sid, {}).values()
        return sorted(found, key=lambda account: (account.created_ms, account.sid))

    def status_of(self, account: Account) -> AccountStatus:
        """The account's status, or its owner's if that is worse."""
        return status_under(account, self.accounts.get(account.owner_account_sid or ""))

    def customer_of(self, account_sid: str) -> str:
        """The SID of the customer: of the account that it is a subaccount of, or else its own."""
        account = self.accounts.get(account_sid)
        return account_sid if account is None or account.owner_account_sid is None else account.owner_account_sid

    def partitions_of(self, customer: str) -> int:
        """Partitions of the topics of the subscriptions of an account and its subaccounts."""
        accounts = (customer, *self._subaccounts_of.get(customer, {}))
        return sum(self._partitions_of[each] for each in accounts)

    def filter_room_of(self, customer: str) -> int:
        """Room that the filters of the subscriptions of an account and its subaccounts take."""
        accounts = (customer, *self._subaccounts_of.get(customer, {}))
        return sum(self._filter_room_of[each] for each in accounts)

    def keys_of(self, account_sid: str) -> Iterable[ApiKey]:
        """The account's API keys, oldest first."""
        return sorted(self._keys_of.get(account_sid, {}).values(), key=lambda key: (key.created_ms, key.sid))

    def sinks_of(self, account_sid: str) -> Iterable[SinkRecord]:
        """The account's sinks, oldest first."""
        return sorted(self._sinks_of.get(account_sid, {}).values(), key=lambda sink: (sink.created_ms, sink.sid))

    def subscriptions_of(self, account_sid: str) -> Iterable[Subscription]:
        """The account's subscriptions, oldest first, including those that are being deleted."""
        found = self._subscriptions_of.get(account_sid, {}).values()
        return sorted(found, key=lambda subscription: (subscription.created_ms, subscription.sid))

    def accounts_for(self, subscription: Subscription) -> frozenset[str]:
        """The accounts whose events ``subscription`` gets: its own and, if it asks for theirs, the subaccounts."""
        subaccounts = self._subaccounts_of.get(subscription.account_sid, {})
        return frozenset(
            {subscription.account_sid, *(subaccounts if subscription.receive_events_from_subaccounts else ())}
        )

    def apply(self, record: Record) -> Change | None:
        """Apply one control record. Returns None if nothing changed or this release cannot read it.

        A record that cannot be read leaves the resource as it was, so that an older release running beside a newer one
        continues with what it knows.
        """
        try:
            sid = sid_of(record.key)
            after = decode(sid, record.value) if record.value else None
        except ControlRecordError as error:
            _LOG.warning("control.record_skipped: offset %d: %s", record.offset, error)
            return None
        if isinstance(after, Subscription):
            after = after.dated(record.timestamp_ms)
        before = self._replace(sid, after)
        return None if before == after else Change(before, after)

    def _replace(self, sid: str, after: Resource | None) -> Resource | None:
        match after or self._find(sid):
            case Account(owner_account_sid=parent):
                account = after if isinstance(after, Account) else None
                if parent is not None:  # an account never changes hands
                    _put_of(self._subaccounts_of, parent, sid, account)
                previous = _put(self.accounts, sid, account)
                self.customers += _is_customer(account) - _is_customer(previous)
                return previous
            case ApiKey(account_sid=owner):
                key = after if isinstance(after, ApiKey) else None
                _put_of(self._keys_of, owner, sid, key)
                return _put(self.keys, sid, key)
            case SinkRecord(account_sid=owner):
                sink = after if isinstance(after, SinkRecord) else None
                _put_of(self._sinks_of, owner, sid, sink)
                return _put(self.sinks, sid, sink)
            case Subscription(account_sid=owner):
                subscription = after if isinstance(after, Subscription) else None
                _put_of(self._subscriptions_of, owner, sid, subscription)
                before = _put(self.subscriptions, sid, subscription)
                self._count(owner, _partitions(subscription) - _partitions(before))
                self._count_filter(owner, _filter_room(subscription) - _filter_room(before))
                return before
            case None:
                return None

    def _count(self, account_sid: str, more: int) -> None:
        self.partitions += more
        self._partitions_of[account_sid] += more
        if not self._partitions_of[account_sid]:
            del self._partitions_of[account_sid]

    def _count_filter(self, account_sid: str, more: int) -> None:
        self.filter_room += more
        self._filter_room_of[account_sid] += more
        if not self._filter_room_of[account_sid]:
            del self._filter_room_of[account_sid]

    def _find(self, sid: str) -> Resource | None:
        indexes = (self.accounts, self.keys, self.sinks, self.subscriptions)
        return next((found for index in indexes if (found := index.get(sid)) is not None), None)


def status_under(account: Account, owner: Account | None) -> AccountStatus:
    """The status of ``account``, or of ``owner`` if that is worse."""
    return account.status if owner is None else max(account.status, owner.status, key=_SEVERITY.__getitem__)


def _is_customer(account: Account | None) -> bool:
    return account is not None and account.owner_account_sid is None and account.status is not AccountStatus.CLOSED


def _partitions(subscription: Subscription | None) -> int:
    return 0 if subscription is None else subscription.partitions


def _filter_room(subscription: Subscription | None) -> int:
    return 0 if subscription is None else room_of(subscription.filter)


def _put(index: dict[str, _T], sid: str, value: _T | None) -> _T | None:
    """Set or remove ``sid``; return what was there before."""
    before = index.get(sid)
    if value is None:
        index.pop(sid, None)
    else:
        index[sid] = value
    return before


def _put_of(indexes: dict[str, dict[str, _T]], owner: str, sid: str, value: _T | None) -> None:
    """``_put`` in the index of ``owner``, which is removed once it is empty, as accounts come and go."""
    index = indexes.setdefault(owner, {})
    _put(index, sid, value)
    if not index:
        del indexes[owner]
