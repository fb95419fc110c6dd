"""What all subscriptions may have together: past the partitions that Kafka carries, and the filters that a router keeps
compiled, all would suffer.
"""

from typing import Final

from control_api.http.codes import Code, refused
from control_api.plane import ControlPlane
from eventstreams.control.filter_room import room_for
from eventstreams.control.records import AccountStatus
from eventstreams.control.snapshot import Snapshot

_SHARES: Final = 4  # an account and its subaccounts can count on one of so many, however much the others ask for
_ASK: Final = "ask the operator, or delete subscriptions that nobody needs"

_COUNTED: Final = "50 beside each filter's own counted"
_ASK_FILTERS: Final = "write shorter filters, take away those that nobody needs, or ask the operator"


def check_budget(plane: ControlPlane, account_sid: str, *, more: int) -> None:
    """Raises ``RefusedError`` where ``more`` partitions are too many; those that are being made or deleted count.

    Those of the last moment's writes do not: there can be some more than the bound.

    Who is not the only customer gets more than a quarter of the whole only while half of it stays free: so nobody can
    use up what others come to need, and what nobody needs does not lie idle either.
    """
    snapshot, whole = plane.feed.snapshot, plane.most_partitions
    coming = plane.maker.partitions
    there = snapshot.partitions + sum(coming.values())
    if there + more > whole:
        raise refused(
            Code.SUBSCRIPTION_NOT_CREATED,
            f"This installation's subscriptions have {there} partitions of at most {whole}: {_ASK}",
        )
    who, share = snapshot.customer_of(account_sid), -(-whole // _SHARES)
    mine = snapshot.partitions_of(who) + sum(count for sid, count in coming.items() if snapshot.customer_of(sid) == who)
    if mine + more > share and there + more > whole // 2 and _has_others(snapshot, who):
        raise refused(
            Code.SUBSCRIPTION_NOT_CREATED,
            f"The subscriptions of this account, its owner and subaccounts have {mine} partitions, and can count on "
            f"{share} of this installation's {whole}: more are given only while half of all are free, and {there} "
            f"are in use: {_ASK}",
        )


def check_filter_budget(plane: ControlPlane, account_sid: str, *, more: int) -> None:
    """As ``check_budget``, where filters are to take ``more`` room than they do; those of the last moment's writes do
    not count here, either.
    """
    if more <= 0:
        return
    snapshot, whole = plane.feed.snapshot, room_for(plane.most_partitions)
    there = snapshot.filter_room
    if there + more > whole:
        raise refused(
            Code.SUBSCRIPTION_NOT_CREATED,
            f"This installation's filters have {there} characters of at most {whole}, {_COUNTED}: {_ASK_FILTERS}",
        )
    who, share = snapshot.customer_of(account_sid), -(-whole // _SHARES)
    mine = snapshot.filter_room_of(who)
    if mine + more > share and there + more > whole // 2 and _has_others(snapshot, who):
        raise refused(
            Code.SUBSCRIPTION_NOT_CREATED,
            f"The filters of this account, its owner and subaccounts have {mine} characters, {_COUNTED}, and can count "
            f"on {share} of this installation's {whole}: more are given only while half of all are free, and {there} "
            f"are in use: {_ASK_FILTERS}",
        )


def _has_others(snapshot: Snapshot, customer: str) -> bool:
    return any(
        each.owner_account_sid is None and each.sid != customer and each.status is not AccountStatus.CLOSED
        for each in snapshot.accounts.values()
    )
