"""All resources as of one moment of the control topic, indexed for those who look things up."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from eventstreams.control.records import (
    Account,
    ControlRecordError,
    Resource,
    SinkRecord,
    Subscription,
    decode,
    sid_of,
)
from eventstreams.kafka.records import Record

_LOG: Final = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Change:
    """One resource before and after one control record; None where it was or is not there."""

    before: Resource | None
    after: Resource | None


class Snapshot:
    """The current resources. Resources are immutable; the snapshot moves on as control records are applied.

    Everything happens on one event loop, so between two ``await`` it stands still.
    """

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.sinks: dict[str, SinkRecord] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self._sinks_of: dict[str, dict[str, SinkRecord]] = {}
        self._subscriptions_of: dict[str, dict[str, Subscription]] = {}

    def sinks_of(self, account_sid: str) -> Iterable[SinkRecord]:
        """The account's sinks, oldest first."""
        return sorted(self._sinks_of.get(account_sid, {}).values(), key=lambda sink: (sink.created_ms, sink.sid))

    def subscriptions_of(self, account_sid: str) -> Iterable[Subscription]:
        """The account's subscriptions, oldest first, those that are being deleted among them."""
        found = self._subscriptions_of.get(account_sid, {}).values()
        return sorted(found, key=lambda subscription: (subscription.created_ms, subscription.sid))

    def apply(self, record: Record) -> Change | None:
        """Take in one control record. None where nothing changed, or where this release cannot read it.

        A record that cannot be read leaves the resource as it was: an older release beside a newer one
        goes on with what it knows.
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
            case Account():
                return _put(self.accounts, sid, after if isinstance(after, Account) else None)
            case SinkRecord(account_sid=owner):
                sink = after if isinstance(after, SinkRecord) else None
                _put(self._sinks_of.setdefault(owner, {}), sid, sink)
                return _put(self.sinks, sid, sink)
            case Subscription(account_sid=owner):
                subscription = after if isinstance(after, Subscription) else None
                _put(self._subscriptions_of.setdefault(owner, {}), sid, subscription)
                return _put(self.subscriptions, sid, subscription)
            case None:
                return None

    def _find(self, sid: str) -> Resource | None:
        return self.accounts.get(sid) or self.sinks.get(sid) or self.subscriptions.get(sid)


def _put(index: dict[str, _T], sid: str, value: _T | None) -> _T | None:
    """Set or remove ``sid``; return what was there before."""
    before = index.get(sid)
    if value is None:
        index.pop(sid, None)
    else:
        index[sid] = value
    return before
