"""Limits what all subscriptions may have together: partitions, by what Kafka can carry, and filters, by routers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from control_api.http.codes import Code, refused
from control_api.plane import ControlPlane
from eventstreams.control.filter_room import room_for, room_of
from eventstreams.control.records import AccountStatus, Subscription
from eventstreams.control.snapshot import Snapshot

_SHARES: Final = 4  # an account and its subaccounts are guaranteed one of four shares, however much others ask for


@dataclass(frozen=True, slots=True)
class _Bound:
    """A limit in words: what has it, how it is counted, and what to do instead."""

    whose: str
    counted: str
    instead: str


_PARTITIONS: Final = _Bound("subscriptions", "partitions", "ask the operator, or delete unused subscriptions")
_FILTERS: Final = _Bound(
    "filters",
    "characters (counting 50 extra for each filter)",
    "write shorter filters, remove unused ones, or ask the operator",
)


def check_budget(plane: ControlPlane, account_sid: str, *, more: int) -> None:
    """Raises ``RefusedError`` if ``more`` partitions are too many, including those being created or deleted.

    Writes of the last moment are not counted, so the limit may be exceeded slightly.

    If there are other customers, a customer gets more than a quarter of the whole only while half of it stays free. So
    nobody can use up what others may need, and what nobody needs is not left unused.
    """
    snapshot, coming = plane.feed.snapshot, plane.maker.partitions
    who = snapshot.customer_of(account_sid)
    mine = snapshot.partitions_of(who) + sum(count for sid, count in coming.items() if snapshot.customer_of(sid) == who)
    there = snapshot.partitions + sum(coming.values())
    _check(_PARTITIONS, snapshot, who, more=more, mine=mine, there=there, whole=plane.most_partitions)


def check_filter_budget(plane: ControlPlane, account_sid: str, *, more: int) -> None:
    """Like ``check_budget``, for filters that are to take ``more`` room (see ``room_of``).

    With the turn to write, staged filters are counted, too: hundreds of requests may share a transaction, and routers
    have room for only a quarter more than the limit.
    """
    if more <= 0:
        return
    snapshot, whole = plane.feed.snapshot, room_for(plane.most_partitions)
    who = snapshot.customer_of(account_sid)
    mine, there = snapshot.filter_room_of(who), snapshot.filter_room
    for owner_sid, staged in _staged_filters(plane):
        there += staged
        mine += staged if snapshot.customer_of(owner_sid) == who else 0
    _check(_FILTERS, snapshot, who, more=more, mine=mine, there=there, whole=whole)


def _staged_filters(plane: ControlPlane) -> Iterator[tuple[str, int]]:
    """By account, how much more room filters take once the staged changes are written."""
    for sid, after in plane.writing.staged().items():
        for each, sign in ((plane.feed.snapshot.subscriptions.get(sid), -1), (after, 1)):
            if isinstance(each, Subscription):
                yield each.account_sid, sign * room_of(each.filter)


def _check(bound: _Bound, snapshot: Snapshot, who: str, *, more: int, mine: int, there: int, whole: int) -> None:
    if there + more > whole:
        raise refused(
            Code.SUBSCRIPTION_NOT_CREATED,
            f"This installation's {bound.whose} have {there} {bound.counted}, of at most {whole}: {bound.instead}",
        )
    share = -(-whole // _SHARES)
    if mine + more > share and there + more > whole // 2 and _has_others(snapshot, who):
        raise refused(
            Code.SUBSCRIPTION_NOT_CREATED,
            f"The {bound.whose} of this account, its owner and subaccounts have {mine} {bound.counted}, and are "
            f"guaranteed {share} of this installation's {whole}: more are granted only while half of them are "
            f"free, and {there} are in use: {bound.instead}",
        )


def _has_others(snapshot: Snapshot, customer: str) -> bool:
    return any(
        each.owner_account_sid is None and each.sid != customer and each.status is not AccountStatus.CLOSED
        for each in snapshot.accounts.values()
    )
