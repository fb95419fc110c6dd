"""Knows which accounts have a subscription to error logs: for all others, no errors are counted at all. Pure."""

from eventstreams.control.records import Resource, Subscription, SubscriptionState
from eventstreams.control.snapshot import Change, Snapshot
from sink_workers.notices.notice import ERROR_LOGGED


class ErrorLogReaders:
    """The accounts with a subscription to error logs."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Start from ``snapshot``; ``apply`` then keeps the accounts current."""
        self._subscriptions: dict[str, set[str]] = {}
        for subscription in snapshot.subscriptions.values():
            self.apply(Change(None, subscription))

    def __contains__(self, account_sid: str) -> bool:
        return account_sid in self._subscriptions

    def apply(self, change: Change) -> None:
        """Apply one change of the control topic."""
        before, after = _reading(change.before), _reading(change.after)
        if before is not None and (left := self._subscriptions.get(before.account_sid)):
            left.discard(before.sid)
            if not left:
                del self._subscriptions[before.account_sid]
        if after is not None:
            self._subscriptions.setdefault(after.account_sid, set()).add(after.sid)


def _reading(resource: Resource | None) -> Subscription | None:
    """``resource`` if it is an active subscription to error logs, else None."""
    if not isinstance(resource, Subscription) or resource.state is not SubscriptionState.ACTIVE:
        return None
    return resource if any(each.type == ERROR_LOGGED for each in resource.types) else None
