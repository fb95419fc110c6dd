"""The catalogue: what comes with the product, an operator's own folders, and what each mistake is told as."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from eventstreams.catalog import Catalog, EventTypeStatus
from eventstreams.errors import CatalogError

Listing = dict[str, dict[str, dict[str, object]]]
SCHEMA = {
    "type": "record",
    "name": "acme.Parcel",
    "fields": [{"name": "parcel", "type": "string"}],
}


def listing() -> Listing:
    return {
        "products": {"post": "Post"},  # type: ignore[dict-item]  # a product is just its title
        "schemas": {
            "Post.Parcel": {
                "product": "post",
                "title": "Parcel",
                "versions": {1: {"released": "2026-01-02", "changes": "First version."}},
                "types": {"com.acme.parcel.sent": "A parcel was sent."},
            }
        },
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An operator's catalogue with one schema, of one version."""
    write(tmp_path, listing())
    (tmp_path / "Post.Parcel").mkdir()
    (tmp_path / "Post.Parcel" / "1.avsc").write_text(json.dumps(SCHEMA))
    return tmp_path


def write(folder: Path, content: object) -> None:
    (folder / "catalog.yaml").write_text(yaml.safe_dump(content))


def test_the_products_own_catalogue_has_what_the_reference_lists() -> None:
    catalog = Catalog.load()

    assert (len(catalog.products), len(catalog.schemas), len(catalog.types)) == (17, 59, 186)
    assert list(catalog.types) == sorted(catalog.types)
    newest = catalog.newest_schema("com.twilio.messaging.message.sent")
    assert newest is not None
    assert (newest.schema_id, newest.version) == ("Messaging.MessageStatus", 8)
    assert catalog.newest_schema("com.acme.unheard.of") is None


def test_types_have_the_status_and_the_sinks_that_the_reference_gives_them() -> None:
    types = Catalog.load().types

    by_status = {status: {name for name, each in types.items() if each.status is status} for status in EventTypeStatus}
    assert {name.rpartition(".")[0] for name in by_status[EventTypeStatus.DEPRECATED]} == {
        "com.twilio.voice.webhook.status-callback.call"
    }
    assert {name.split(".")[2] for name in by_status[EventTypeStatus.RESTRICTED]} == {
        "accountsecurity",
        "engagement-intelligence",
    }
    assert {name.split(".")[2] for name in by_status[EventTypeStatus.DISCONTINUED]} == {"conversations", "iot"}
    assert "segment" in types["com.twilio.voice.twiml.gather.finished"].sinks
    assert "segment" not in types["com.twilio.voice.media.fetched"].sinks


def test_a_schema_says_which_field_holds_the_person() -> None:
    schemas = Catalog.load().schemas

    assert schemas["Messaging.MessageStatus"].latest.identities == {"phone": "to"}
    assert schemas["Messaging.InboundMessageV1"].versions[0].identities == {"phone": "from"}
    assert schemas["ErrorLogs.Error"].latest.identities == {}


def test_a_folder_of_an_operator_adds_its_types(folder: Path) -> None:
    catalog = Catalog.load([folder])

    event_type = catalog.types["com.acme.parcel.sent"]
    assert (event_type.schema_id, event_type.product, event_type.internal) == ("Post.Parcel", "post", False)
    assert catalog.schemas["Post.Parcel"].latest.avro["name"] == "acme.Parcel"  # type: ignore[index, call-overload]  # a record
    assert "com.twilio.messaging.message.sent" in catalog.types


def _no_versions(content: Listing) -> None:
    content["schemas"]["Post.Parcel"]["versions"] = {}


def _a_gap(content: Listing) -> None:
    content["schemas"]["Post.Parcel"]["versions"] = {2: {"released": "2026-01-02", "changes": "x"}}


def _no_file(content: Listing) -> None:
    one = {"released": "2026-01-02", "changes": "x"}
    content["schemas"]["Post.Parcel"]["versions"] = {1: one, 2: one}


def _no_product(content: Listing) -> None:
    content["schemas"]["Post.Parcel"]["product"] = "parcels"


def _taken_type(content: Listing) -> None:
    content["schemas"]["Post.Parcel"]["types"] = {"com.twilio.messaging.message.sent": "x"}


def _bad_type(content: Listing) -> None:
    content["schemas"]["Post.Parcel"]["types"] = {"Com.Acme": "x"}


def _taken_schema(content: Listing) -> None:
    content["schemas"]["Messaging.MessageStatus"] = content["schemas"].pop("Post.Parcel")


def _bad_id(content: Listing) -> None:
    content["schemas"]["../etc"] = content["schemas"].pop("Post.Parcel")


def _unknown_key(content: Listing) -> None:
    content["schemas"]["Post.Parcel"]["colour"] = "red"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(_no_versions, "schemas / Post.Parcel / versions", id="no versions"),
        pytest.param(_a_gap, "the versions are [2], but must be [1] without gaps", id="a gap"),
        pytest.param(_no_file, "2.avsc is missing", id="no file"),
        pytest.param(_no_product, "belongs to product 'parcels', which is not listed", id="product not listed"),
        pytest.param(_taken_type, "is already in schema Messaging.MessageStatus", id="type twice"),
        pytest.param(_bad_type, "types / Com.Acme", id="malformed type"),
        pytest.param(_taken_schema, "is already defined in another folder: choose another id", id="schema twice"),
        pytest.param(_bad_id, "an id has the form Product.Name", id="malformed id"),
        pytest.param(_unknown_key, "colour", id="unknown key"),
    ],
)
def test_a_mistake_in_the_listing_is_told_with_its_file_and_place(
    folder: Path, spoil: Callable[[Listing], None], words: str
) -> None:
    content = listing()
    spoil(content)
    write(folder, content)

    with pytest.raises(CatalogError) as caught:
        Catalog.load([folder])

    assert str(folder / "catalog.yaml") in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("{", "1.avsc is not an Avro schema", id="no JSON"),
        pytest.param('{"type": "recrod"}', "1.avsc is not an Avro schema", id="no Avro"),
        pytest.param('{"type": "enum", "name": "x"}', "not an Avro schema: 'symbols' is missing", id="half an enum"),
        pytest.param("null", "1.avsc is not an Avro schema", id="null"),
        pytest.param('{"type": "array", "items": "string"}', "1.avsc is not a record", id="no record"),
        pytest.param(
            json.dumps({**SCHEMA, "fields": [{"name": "weight", "type": "float"}]}),
            "1.avsc makes field weight float: use double",
            id="breaks a rule",
        ),
    ],
)
def test_a_schema_that_is_none_or_breaks_a_rule_is_told_with_its_file(folder: Path, text: str, words: str) -> None:
    (folder / "Post.Parcel" / "1.avsc").write_text(text)

    with pytest.raises(CatalogError) as caught:
        Catalog.load([folder])

    assert str(folder / "Post.Parcel") in str(caught.value)
    assert words in str(caught.value)


def test_a_version_that_readers_of_the_one_before_could_not_read_is_told_with_its_file(folder: Path) -> None:
    content = listing()
    one = {"released": "2026-01-02", "changes": "x"}
    content["schemas"]["Post.Parcel"]["versions"] = {1: one, 2: one}
    write(folder, content)
    changed = {**SCHEMA, "fields": [{"name": "parcel", "type": "long"}]}
    (folder / "Post.Parcel" / "2.avsc").write_text(json.dumps(changed))

    with pytest.raises(CatalogError, match=r"2\.avsc changes the type of field parcel of acme\.Parcel"):
        Catalog.load([folder])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"products: [", id="not YAML"),
        pytest.param(b"\xff", id="not UTF-8"),
        pytest.param(b"released: 2026-13-45", id="no such day"),
        pytest.param(b"", id="empty"),
        pytest.param(b"- post", id="a list"),
    ],
)
def test_a_listing_that_is_none_is_told_in_one_line(folder: Path, text: bytes) -> None:
    (folder / "catalog.yaml").write_bytes(text)

    with pytest.raises(CatalogError) as caught:
        Catalog.load([folder])

    assert str(caught.value).startswith(str(folder / "catalog.yaml"))
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_listing_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"catalog\.yaml cannot be read: No such file"):
        Catalog.load([tmp_path])
