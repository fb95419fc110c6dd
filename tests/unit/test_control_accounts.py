"""Accounts and API keys as they stand on the control topic, and in the snapshot."""

import time
from dataclasses import replace

import orjson
import pytest

from eventstreams.control.records import (
    Account,
    AccountStatus,
    ApiKey,
    KeyScope,
    Resource,
    SinkRecord,
    SinkStatus,
    decode,
    encode,
    key_of,
    sid_of,
)
from eventstreams.control.snapshot import Change, Snapshot
from eventstreams.kafka.records import Record
from eventstreams.sids import SidKind, new_sid

OWNER, SUB, KEY = "AC" + "1" * 32, "AC" + "2" * 32, "SK" + "3" * 32


def account(sid: str = OWNER, **changes: object) -> Account:
    made = Account(sid=sid, friendly_name="a", auth_token="locked", created_ms=1, updated_ms=1)
    return replace(made, **changes)  # type: ignore[arg-type]  # what the test says


def api_key(account_sid: str = OWNER, sid: str = KEY) -> ApiKey:
    return ApiKey(
        sid=sid,
        account_sid=account_sid,
        friendly_name="k",
        scope=KeyScope.READ,
        secret_hash="ab" * 32,
        created_ms=1,
        updated_ms=1,
    )


def apply(snapshot: Snapshot, resource: Resource) -> Change | None:
    return snapshot.apply(Record("es.control", 0, 0, key_of(resource.sid), encode(resource), (), 1))


def remove(snapshot: Snapshot, sid: str) -> Change | None:
    return snapshot.apply(Record("es.control", 0, 0, key_of(sid), b"", (), 1))


def test_what_earlier_releases_wrote_is_an_active_account_of_nobodys() -> None:
    old = {"sid": OWNER, "friendly_name": "a", "auth_token": "locked", "created_ms": 1, "updated_ms": 2}

    read = decode(OWNER, orjson.dumps(old))

    assert read == account(updated_ms=2)


@pytest.mark.parametrize(
    "resource",
    [
        account(SUB, owner_account_sid=OWNER, status=AccountStatus.SUSPENDED, secondary_token="x", promote_at_ms=7),
        api_key(),
    ],
    ids=["account", "key"],
)
def test_what_is_written_is_read_again(resource: Resource) -> None:
    assert sid_of(key_of(resource.sid)) == resource.sid
    assert decode(resource.sid, encode(resource)) == resource


def test_a_repr_shows_no_secret_not_even_an_encrypted_one() -> None:
    sink = SinkRecord(
        sid="DG1",
        account_sid=OWNER,
        description="",
        sink_type="webhook",
        configuration="locked",
        status=SinkStatus.ACTIVE,
        created_ms=0,
        updated_ms=0,
    )
    shown = repr([account(secondary_token="locked too"), api_key(), sink])

    assert "locked" not in shown
    assert "abab" not in shown


def test_keys_and_subaccounts_are_found_by_their_account() -> None:
    snapshot = Snapshot()
    for each in (account(), account(SUB, owner_account_sid=OWNER), api_key(), api_key(SUB, "SK" + "4" * 32)):
        apply(snapshot, each)

    assert [each.sid for each in snapshot.subaccounts_of(OWNER)] == [SUB]
    assert [each.sid for each in snapshot.keys_of(OWNER)] == [KEY]
    assert list(snapshot.subaccounts_of(SUB)) == []
    remove(snapshot, KEY)
    remove(snapshot, SUB)
    assert (list(snapshot.keys_of(OWNER)), list(snapshot.subaccounts_of(OWNER))) == ([], [])


@pytest.mark.parametrize(
    ("own", "owners", "counts"),
    [
        (AccountStatus.ACTIVE, AccountStatus.ACTIVE, AccountStatus.ACTIVE),
        (AccountStatus.ACTIVE, AccountStatus.SUSPENDED, AccountStatus.SUSPENDED),
        (AccountStatus.SUSPENDED, AccountStatus.ACTIVE, AccountStatus.SUSPENDED),
        (AccountStatus.SUSPENDED, AccountStatus.CLOSED, AccountStatus.CLOSED),
        (AccountStatus.CLOSED, AccountStatus.SUSPENDED, AccountStatus.CLOSED),
    ],
)
def test_of_an_account_and_its_owner_the_worse_status_counts(
    own: AccountStatus, owners: AccountStatus, counts: AccountStatus
) -> None:
    snapshot, sub = Snapshot(), account(SUB, owner_account_sid=OWNER, status=own)
    apply(snapshot, account(status=owners))
    apply(snapshot, sub)

    assert snapshot.status_of(sub) is counts
    assert snapshot.status_of(account(status=owners)) is owners


def test_customers_are_the_accounts_that_are_nobodys_and_not_closed() -> None:
    snapshot, other = Snapshot(), "AC" + "4" * 32
    changes = [
        (account(), 1),
        (account(SUB, owner_account_sid=OWNER), 1),
        (account(friendly_name="b"), 1),
        (account(other), 2),
        (account(other, status=AccountStatus.SUSPENDED), 2),
        (account(other, status=AccountStatus.CLOSED), 1),
    ]

    for change, customers in changes:
        apply(snapshot, change)
        assert snapshot.customers == customers, change
    remove(snapshot, other)
    assert snapshot.customers == 1
    remove(snapshot, OWNER)
    assert snapshot.customers == 0


def test_the_first_token_signs_until_the_second_one_takes_its_place() -> None:
    rotating = account(secondary_token="second", promote_at_ms=100)
    by_hand = account(secondary_token="second")

    assert account().tokens(0) == ("locked",)
    assert rotating.tokens(99) == ("locked", "second")
    assert rotating.tokens(100) == ("second",)
    assert by_hand.tokens(10**15) == ("locked", "second")
    assert rotating.settled(99) == rotating
    assert rotating.settled(100) == account(auth_token="second")
    assert account().settled(100) == account()


def test_ten_thousand_accounts_are_taken_in_in_seconds() -> None:
    """A bound that only something quadratic breaks."""
    snapshot = Snapshot()
    records: list[Resource] = []
    for _ in range(10_000):
        sid = new_sid(SidKind.ACCOUNT)
        records += [account(sid, owner_account_sid=OWNER), api_key(sid, new_sid(SidKind.API_KEY))]

    began = time.process_time()
    for each in records:
        apply(snapshot, each)

    assert time.process_time() - began < 30
    assert len(list(snapshot.subaccounts_of(OWNER))) == 10_000


def test_of_what_was_removed_nothing_stays_in_memory() -> None:
    snapshot = Snapshot()
    apply(snapshot, account())
    apply(snapshot, account(SUB, owner_account_sid=OWNER))
    apply(snapshot, api_key(SUB))

    for sid in (KEY, SUB, OWNER):
        remove(snapshot, sid)

    assert not any(vars(snapshot).values())
