"""``eventstreams archive`` without a bucket: what it is asked, takes of an archive and makes of an event."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

import click.testing
import orjson
import pytest

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.records import SubscribedType, Subscription
from sink_workers.archive.bucket import Archive, ArchiveError, Part, Place, StoredAt, Wanted
from sink_workers.archive.cli import archive
from sink_workers.archive.reader import ArchivedEvent, Tally, distinct_events
from sink_workers.archive.replay import Copier, Copy, Skip
from sink_workers.plugins.s3.config import S3Config
from sink_workers.plugins.s3.objects import pack, partitions
from tests.support.events import SENT, message_event
from tests.support.webhooks import event

ACCOUNT: Final = "AC" + "1" * 32
CODEC: Final = Codec(Catalog.load(), schema_base_url="https://schemas.example.com")
NEWEST: Final = Catalog.load().newest_schema(SENT)


class Body:
    """An object's, as AWS' client hands it out."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def read(self) -> bytes:
        return self._body


class Client:
    """Objects in memory; lists have one entry a page."""

    def __init__(self, objects: Mapping[str, bytes]) -> None:
        self._objects = objects

    def list_objects_v2(self, **parameters: str) -> Mapping[str, object]:
        prefix, delimiter = parameters["Prefix"], parameters.get("Delimiter")
        keys = [key for key in sorted(self._objects) if key.startswith(prefix)]
        if delimiter:
            entries = sorted({key[: key.index(delimiter, len(prefix)) + 1] for key in keys})
            found: list[Mapping[str, object]] = [{"Prefix": each} for each in entries]
        else:
            found = [{"Key": key, "Size": len(self._objects[key])} for key in keys]
        at = int(parameters.get("ContinuationToken") or 0)
        name = "CommonPrefixes" if delimiter else "Contents"
        page: Mapping[str, object] = {name: found[at : at + 1]} if found else {}
        return {**page, "IsTruncated": at + 1 < len(found), "NextContinuationToken": str(at + 1)}

    def get_object(self, **parameters: str) -> Mapping[str, object]:
        return {"Body": Body(self._objects[parameters["Key"]])}


def archive_of(*batches: list[int], accounts: Sequence[str] = ("AC1",)) -> Archive:
    """An archive below ``audit/`` with an object for each of ``batches``, of events with these numbers."""
    config = S3Config.model_validate(
        {"bucket": "acme", "prefix": "audit", "format": "jsonl", "access_key_id": "A" * 20, "secret_access_key": "s"}
    )
    objects: dict[str, bytes] = {"audit/readme.txt": b"not of ours", "day=1999-01-01/type=x/a.avro": b""}
    for numbers in batches:
        events = [replace(event(number), account_sid=account) for account in accounts for number in numbers]
        for part, positions in partitions(events).items():
            stored = pack(config, part, [events[each] for each in positions])
            objects[stored.key] = stored.body
    return Archive(Place("acme", "audit/"), Client(objects))


def test_an_event_that_is_in_several_objects_is_once_in_the_view() -> None:
    tally = Tally()

    found = [each.id for each in distinct_events(archive_of([1, 2, 3], [3, 4], [1, 4, 5]), Wanted(), tally)]

    assert sorted(found) == ["EZ1", "EZ2", "EZ3", "EZ4", "EZ5"]
    assert (tally.objects, tally.rows, tally.repeated) == (3, 8, 3)


def test_events_of_two_accounts_are_two_though_id_and_source_are_the_same() -> None:
    found = [each.account_sid for each in distinct_events(archive_of([1], accounts=["AC1", "AC2"]), Wanted(), Tally())]

    assert found == ["AC1", "AC2"]


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Wanted(), 1),
        (Wanted(first=date(2026, 3, 29), last=date(2026, 3, 29)), 1),
        (Wanted(first=date(2026, 3, 30)), 0),
        (Wanted(last=date(2026, 3, 28)), 0),
        (Wanted(types=("com.acme.thing.made",)), 1),
        (Wanted(types=("com.acme.thing",)), 0),
    ],
)
def test_days_and_types_choose_a_part_of_the_archive(wanted: Wanted, count: int) -> None:
    assert len(list(distinct_events(archive_of([1]), wanted, Tally()))) == count


def test_an_object_that_is_far_too_large_is_not_read() -> None:
    with pytest.raises(ArchiveError, match="which no object of an S3 sink has"):
        archive_of().read(StoredAt("audit/huge.avro", 1 << 40))


def test_parts_are_told_in_order() -> None:
    assert list(archive_of([1], [2]).parts(Wanted())) == [Part("2026-03-29", "com.acme.thing.made")]


def archived(**changes: object) -> ArchivedEvent:
    made = message_event(ACCOUNT, 1)
    assert NEWEST is not None
    given: dict[str, object] = {
        "id": "EZ1",
        "type": SENT,
        "source": made.source,
        "time": "2026-03-29T04:01:02.345Z",
        "dataschema": CODEC.dataschema(NEWEST),
        "account_sid": ACCOUNT,
        "subject": None,
        "partition_key": None,
        "data": made.data,
        **changes,
    }
    return ArchivedEvent(**given)  # type: ignore[arg-type]


def copied(event: ArchivedEvent, *, filter_: str | None = None) -> Copy | Skip:
    subscription = Subscription(
        sid="DF" + "2" * 32,
        account_sid=ACCOUNT,
        sink_sid="DG" + "3" * 32,
        sink_type="webhook",
        description="",
        types=(SubscribedType(type=SENT, schema_version=1),),
        created_ms=0,
        updated_ms=0,
        filter=filter_,
    )
    return Copier(subscription, frozenset({ACCOUNT}), CODEC, ttl_ms=1000).copy(event, 5000)


def test_a_copy_has_the_producers_value_and_a_fresh_window() -> None:
    made = copied(archived())

    assert isinstance(made, Copy)
    assert NEWEST is not None
    assert made.value == CODEC.encode(NEWEST, message_event(ACCOUNT, 1).data)
    headers = dict(made.headers)
    assert (headers["ce_id"], headers["ce_time"]) == (b"EZ1", b"2026-03-29T04:01:02.345Z")
    assert (headers["es_accepted_at"], headers["es_deadline"]) == (b"5000", b"6000")
    assert headers["es_subscription"] == b"DF" + b"2" * 32


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"account_sid": "AC" + "9" * 32}, Skip.OTHER_ACCOUNT),
        ({"type": "com.acme.thing.made"}, Skip.NOT_SUBSCRIBED),
        ({"dataschema": "https://schemas/Nobody.Knows/1"}, Skip.UNKNOWN_SCHEMA),
        ({"data": {"text": 1}}, Skip.UNREADABLE),
        ({"time": "yesterday"}, Skip.UNREADABLE),
    ],
)
def test_what_the_subscription_does_not_get_is_skipped_with_its_reason(
    changes: dict[str, object], reason: Skip
) -> None:
    assert copied(archived(**changes)) is reason


def test_a_filter_holds_back_what_it_would_hold_back_in_a_router() -> None:
    assert copied(archived(), filter_='id == "EZ2"') is Skip.FILTERED
    assert isinstance(copied(archived(), filter_='id == "EZ1"'), Copy)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "acme/audit"], "not an archive location: it must be s3://BUCKET or s3://BUCKET/PREFIX"),
        (["list", "s3://acme", "--from", "soon"], "'soon' is not a day such as 2026-03-29"),
        (["list", "s3://acme", "--from", "2026-03-29", "--to", "2026-03-01"], "2026-03-29 is after 2026-03-01"),
        (["list", "s3://acme", "--endpoint-url", "nowhere"], "S3 cannot be accessed: Invalid endpoint: nowhere"),
        (["replay", "s3://acme"], "Missing option '--subscription'"),
    ],
)
def test_what_cannot_be_meant_is_said_in_a_sentence(arguments: list[str], words: str) -> None:
    result = click.testing.CliRunner().invoke(archive, arguments)

    assert words in result.output + str(result.exception)
    assert isinstance(result.exception, SystemExit | ArchiveError)


def test_an_exported_event_is_cloudevents_json_without_what_is_absent() -> None:
    found = orjson.loads(archived().json())

    assert found["accountsid"] == ACCOUNT
    assert found["specversion"] == "1.0"
    assert "subject" not in found
    assert None not in found.values()
