"""What is staged, laid over the snapshot: as if it had been written."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from control_api.replicas.snapshot_overlay import Resources, SnapshotOverlay
from eventstreams.control.records import (
    Account,
    AccountStatus,
    ApiKey,
    KeyScope,
    Resource,
    SinkRecord,
    SinkStatus,
    Subscription,
    encode,
    key_of,
)
from eventstreams.control.snapshot import Snapshot
from eventstreams.kafka.records import Record

OWNER, SUB = "AC" + "1" * 32, "AC" + "2" * 32
ACCOUNTS = st.builds(
    Account,
    sid=st.just(OWNER),
    friendly_name=st.sampled_from("ab"),
    auth_token=st.just("locked"),
    created_ms=st.just(1),
    updated_ms=st.just(1),
    status=st.sampled_from(AccountStatus),
) | st.builds(
    Account,
    sid=st.just(SUB),
    friendly_name=st.sampled_from("ab"),
    auth_token=st.just("locked"),
    created_ms=st.integers(1, 3),
    updated_ms=st.just(1),
    owner_account_sid=st.just(OWNER),
    status=st.sampled_from(AccountStatus),
)


def sids(kind: str) -> st.SearchStrategy[str]:
    return st.sampled_from([kind + digit * 32 for digit in "abc"])


# A resource never changes hands, so the account is part of its SID here.
THEIRS = st.sampled_from([OWNER, SUB])


def owned(resource: Resource, account_sid: str) -> Resource:
    sid = f"{resource.sid[:-1]}{account_sid[-1]}"
    match resource:
        case Account():
            return resource
        case ApiKey() | SinkRecord() | Subscription():
            return replace(resource, sid=sid, account_sid=account_sid)


KEYS = st.builds(
    ApiKey,
    sid=sids("SK"),
    account_sid=st.just(OWNER),
    friendly_name=st.sampled_from("ab"),
    scope=st.sampled_from(KeyScope),
    secret_hash=st.just("ab" * 32),
    created_ms=st.integers(1, 3),
    updated_ms=st.just(1),
)
SINKS = st.builds(
    SinkRecord,
    sid=sids("DG"),
    account_sid=st.just(OWNER),
    description=st.sampled_from("ab"),
    sink_type=st.just("webhook"),
    configuration=st.just("locked"),
    status=st.sampled_from(SinkStatus),
    created_ms=st.integers(1, 3),
    updated_ms=st.just(1),
)
SUBSCRIPTIONS = st.builds(
    Subscription,
    sid=sids("DF"),
    account_sid=st.just(OWNER),
    sink_sid=sids("DG"),
    sink_type=st.just("webhook"),
    description=st.sampled_from("ab"),
    types=st.just(()),
    created_ms=st.integers(1, 3),
    updated_ms=st.just(1),
)
RESOURCES = st.builds(owned, ACCOUNTS | KEYS | SINKS | SUBSCRIPTIONS, THEIRS)
WRITES = st.lists(st.tuples(RESOURCES, st.booleans()), max_size=30)


def write(snapshot: Snapshot, resource: Resource, *, gone: bool) -> None:
    value = b"" if gone else encode(resource)
    snapshot.apply(Record("es.control", 0, 0, key_of(resource.sid), value, (), 1))


def told(resources: Resources) -> object:
    """All that can be looked up."""
    return (
        dict(resources.accounts),
        dict(resources.keys),
        dict(resources.sinks),
        dict(resources.subscriptions),
        [len(each) for each in (resources.accounts, resources.keys, resources.sinks, resources.subscriptions)],
        {sid: resources.status_of(each) for sid, each in resources.accounts.items()},
        [
            [list(look(sid)) for sid in (OWNER, SUB)]
            for look in (
                resources.subaccounts_of,
                resources.keys_of,
                resources.sinks_of,
                resources.subscriptions_of,
            )
        ],
    )


@given(WRITES, WRITES)
def test_a_snapshot_with_changes_over_it_is_the_snapshot_that_has_them(
    written: list[tuple[Resource, bool]], staged: list[tuple[Resource, bool]]
) -> None:
    below, wanted = Snapshot(), Snapshot()
    for resource, gone in written:
        write(below, resource, gone=gone)
        write(wanted, resource, gone=gone)
    for resource, gone in staged:
        write(wanted, resource, gone=gone)
    changes: dict[str, object] = {resource.sid: None if gone else resource for resource, gone in staged}

    assert told(SnapshotOverlay(below, changes)) == told(wanted)


def test_what_is_staged_and_no_resource_is_passed_over() -> None:
    staged = SnapshotOverlay(Snapshot(), {"JB" + "1" * 32: "a job"})

    assert told(staged) == told(Snapshot())
