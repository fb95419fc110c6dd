"""How many partitions the topics of all subscriptions may have together: past what Kafka carries all would suffer."""

from typing import Final

from control_api.http.codes import Code, refused
from control_api.plane import ControlPlane
from eventstreams.control.records import AccountStatus
from eventstreams.control.snapshot import Snapshot

_SHARES: Final = 4  # an account and its subaccounts can count on one of so many, however much the others ask for
_ASK: Final = "ask the operator, or delete subscriptions that nobody needs"


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


def _has_others(snapshot: Snapshot, customer: str) -> bool:
    return any(
        each.owner_account_sid is None and each.sid != customer and each.status is not AccountStatus.CLOSED
        for each in snapshot.accounts.values()
    )
