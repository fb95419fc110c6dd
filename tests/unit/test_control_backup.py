"""The file of a backup, whole and not, and what an import of it comes to."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest
from click.testing import CliRunner

from control_api.backup.cli import control
from control_api.backup.document import FORMAT, Backup, BackupError, Entry, _digest, read, write
from control_api.backup.plan import Plan, plan
from eventstreams.control.records import (
    Account,
    ApiKey,
    KeyScope,
    Resource,
    SinkRecord,
    SinkStatus,
    SubscribedType,
    Subscription,
    SubscriptionState,
    encode,
    key_of,
)
from eventstreams.control.snapshot import Snapshot
from eventstreams.control.vault import Purpose, Vault, new_key
from eventstreams.kafka.records import Record
from eventstreams.settings import Settings

KEY = new_key()
AT = datetime(2026, 3, 29, 4, 1, 2, tzinfo=UTC)
OWNER, PART = "AC" + "9" * 32, "AC" + "1" * 32  # the subaccount sorts before its owner


def vault(key: str = KEY) -> Vault:
    return Vault(Settings.load(secret_key=key))


def resources() -> tuple[Subscription, SinkRecord, ApiKey, Account, Account]:
    """An account, its subaccount, and a key, a sink and a subscription of the account."""
    account = Account(
        sid=OWNER,
        friendly_name="of the test",
        auth_token=vault().lock("token", Purpose.AUTH_TOKEN, OWNER),
        created_ms=1,
        updated_ms=10,
    )
    key = ApiKey(
        sid="SK" + "2" * 32,
        account_sid=OWNER,
        friendly_name="a key",
        scope=KeyScope.FULL,
        secret_hash="0" * 64,
        created_ms=1,
        updated_ms=10,
    )
    sink = SinkRecord(
        sid="DG" + "3" * 32,
        account_sid=OWNER,
        description="a sink",
        sink_type="webhook",
        configuration=vault().lock("{}", Purpose.SINK_CONFIGURATION, "DG" + "3" * 32),
        status=SinkStatus.ACTIVE,
        created_ms=1,
        updated_ms=10,
    )
    subscription = Subscription(
        sid="DF" + "4" * 32,
        account_sid=OWNER,
        sink_sid=sink.sid,
        sink_type="webhook",
        description="a subscription",
        types=(SubscribedType(type="com.acme.thing.made", schema_version=1),),
        created_ms=1,
        updated_ms=10,
        partitions=3,
    )
    return subscription, sink, key, replace(account, sid=PART, owner_account_sid=OWNER), account


def written(*found: Resource, key: str = KEY) -> bytes:
    entries = [Entry(each.sid, 1234, orjson.loads(encode(each))) for each in found]
    return write(entries, taken_at=AT, prefix="es.", seals=vault(key))


def snapshot(*found: Resource) -> Snapshot:
    there = Snapshot()
    for number, each in enumerate(found):
        there.apply(Record("control", 0, number, key_of(each.sid), encode(each), [], 1234))
    return there


def planned(backup: Backup, *there: Resource, into_existing: bool = False, most: int = 100) -> Plan:
    return plan(backup, snapshot(*there), into_existing=into_existing, most_partitions=most)


def test_what_was_written_is_read_again_owners_first_and_subscriptions_dated() -> None:
    found = resources()

    backup = read(written(*found), name="f", seals=vault())

    assert (backup.taken_at, backup.prefix) == (AT, "es.")
    assert [each.sid[:3] for each in backup.resources] == ["AC9", "AC1", "SK2", "DG3", "DF4"]
    subscription = backup.resources[-1]
    assert isinstance(subscription, Subscription)
    assert subscription.types[0].since_ms == 1234
    assert set(backup.resources[:-1]) == set(found[1:])


def test_a_backup_of_nothing_is_one() -> None:
    assert read(written(), name="f", seals=vault()).resources == []


def _cut(content: bytes) -> bytes:
    return content[:-20]


def _without_last_line(content: bytes) -> bytes:
    return b"\n".join([*content.split(b"\n")[:-2], b""])


def _changed(content: bytes) -> bytes:
    return content.replace(b"a sink", b"a sunk")


def _other_prefix(content: bytes) -> bytes:
    return content.replace(b'"es."', b'"xx."')


def _without_seal(content: bytes) -> bytes:
    return content.replace(b'"seal"', b'"soul"')


def _newer(content: bytes) -> bytes:
    return content.replace(b'"version":1', b'"version":2')


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_cut, "f ends in the middle of a line"),
        (_without_last_line, "f has 4 records, but its first line says 5"),
        (_changed, "f was damaged or changed: its digest does not match"),
        (_other_prefix, "f was damaged or changed: its digest does not match"),
        (_without_seal, "f was damaged or changed: its first line has no valid 'seal'"),
        (_newer, "f has format version 2, but this release reads version 1"),
        (lambda content: b"", "f is not a backup"),
        (lambda content: b"\x00\xff" * 100, "f is not a backup"),
        (lambda content: b'{"format":"another"}\n', "f is not a backup"),
        (lambda content: b"[1]\n", "f is not a backup"),
    ],
    ids=["cut", "line-lost", "changed", "prefix", "no-seal", "newer", "empty", "binary", "foreign", "no-object"],
)
def test_what_is_no_whole_backup_is_refused_with_a_sentence(harm: Callable[[bytes], bytes], words: str) -> None:
    with pytest.raises(BackupError, match=words):
        read(harm(written(*resources())), name="f", seals=vault())


@pytest.mark.parametrize("part", range(8))
def test_a_byte_that_is_changed_anywhere_is_noticed(part: int) -> None:
    content = written(*resources())
    outside_seal = [*range(content.index(b'"seal"')), *range(content.index(b"\n"), len(content))]
    at = outside_seal[len(outside_seal) * part // 8]

    with pytest.raises(BackupError):
        read(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :], name="f", seals=vault())


def test_another_secret_key_is_a_sentence_and_the_old_one_behind_a_comma_opens_it() -> None:
    content, other = written(*resources()), new_key()

    with pytest.raises(BackupError, match="f was made with another secret key"):
        read(content, name="f", seals=vault(other))
    assert len(read(content, name="f", seals=vault(f"{other},{KEY}")).resources) == 5


@pytest.mark.parametrize(
    ("sid", "more", "words"),
    [
        ("DG" + "3" * 32, {"hue": "red"}, "contains 'hue' for DG3"),
        ("DG" + "5" * 32, {}, "under DG5"),
        ("ZZ" + "3" * 32, {}, "a record that this release cannot read"),
        ("DG" + "3" * 32, {"status": "napping"}, "a record that this release cannot read"),
    ],
    ids=["unknown-field", "another-sid", "unknown-kind", "unknown-value"],
)
def test_a_record_of_which_something_would_be_lost_is_refused(sid: str, more: dict[str, str], words: str) -> None:
    sink = orjson.loads(encode(resources()[1]))
    # As a later release would write it: `write` has no order for kinds that it does not know.
    content = written(resources()[1])
    line = orjson.dumps({"sid": sid, "written_ms": 1, "value": {**sink, **more}})
    header = orjson.loads(content.split(b"\n")[0])
    del header["seal"]
    header["seal"] = vault().lock(_digest(header, [line]), Purpose.BACKUP, FORMAT)

    with pytest.raises(BackupError, match=words):
        read(b"\n".join([orjson.dumps(header), line, b""]), name="f", seals=vault())


def test_into_an_empty_installation_all_is_added_and_into_another_nothing() -> None:
    backup = read(written(*resources()), name="f", seals=vault())

    found = planned(backup)

    assert list(found.added) == list(backup.resources)
    assert (found.replaced, found.kept, found.left_out) == ([], 0, [])
    with pytest.raises(BackupError, match=r"not empty, it has 1 account: .* --into-existing"):
        planned(backup, resources()[-1])


def test_into_an_existing_installation_goes_what_is_missing_or_newer() -> None:
    subscription, sink, key, part, account = resources()
    backup = read(written(subscription, sink, key, part, account), name="f", seals=vault())
    older = replace(account, friendly_name="before", updated_ms=9)
    newer = replace(part, friendly_name="after", updated_ms=11)

    found = planned(backup, older, newer, sink, into_existing=True)

    assert [each.sid for each in found.added] == [key.sid, subscription.sid]
    assert list(found.replaced) == [account]
    assert found.kept == 2


def test_what_is_being_deleted_or_has_nobody_is_left_out_and_said() -> None:
    subscription, sink, key, part, account = resources()
    going = replace(subscription, state=SubscriptionState.DELETING)
    astray = replace(subscription, sid="DF" + "5" * 32, sink_sid="DG" + "6" * 32)
    nobody = replace(key, account_sid="AC" + "7" * 32)
    backup = read(written(going, astray, sink, nobody, part, account), name="f", seals=vault())

    found = planned(backup)

    assert [each.sid for each in found.added] == [account.sid, part.sid, sink.sid]
    assert found.left_out == [
        f"API key {nobody.sid}: account {nobody.account_sid} does not exist",
        f"subscription {going.sid}: it was being deleted",
        f"subscription {astray.sid}: sink {astray.sink_sid} does not exist",
    ]


def test_a_resource_that_is_somebody_elses_here_and_too_many_partitions_are_refused() -> None:
    subscription, sink, _, _, account = resources()
    backup = read(written(subscription, sink, account), name="f", seals=vault())

    with pytest.raises(BackupError, match="belongs to another account in this installation"):
        planned(backup, replace(sink, account_sid="AC" + "8" * 32), into_existing=True)
    with pytest.raises(BackupError, match="would have 3 partitions, but at most 2"):
        planned(backup, most=2)
    assert planned(backup, most=3).subscriptions[0].partitions == 3


def test_a_file_of_which_there_can_be_none_is_a_sentence() -> None:
    done = CliRunner().invoke(control, ["export", "a" * 300], env={"EVENTSTREAMS_SECRET_KEY": new_key()})

    assert isinstance(done.exception, BackupError)
    assert str(done.exception).endswith("a cannot be written: File name too long")
