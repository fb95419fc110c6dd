"""Every version of every schema: what any version writes, each can read, and gives only what its document promises."""

from functools import cache

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from eventstreams.avro.named_types import fields_of
from eventstreams.catalog import Catalog, SchemaVersion
from eventstreams.catalog.schema_documents import SchemaDocuments
from eventstreams.codec import Codec
from tests.support.avro_values import as_delivered, data_of

BASE = "https://schemas.example.com"
CATALOG = Catalog.load()
CODEC = Codec(CATALOG, schema_base_url=BASE)
DOCUMENTS = SchemaDocuments(CATALOG, schema_base_url=BASE)
VERSIONS = [version for schema in CATALOG.schemas.values() for version in schema.versions]

each_version = pytest.mark.parametrize("version", VERSIONS, ids=lambda each: f"{each.schema_id}/{each.version}")


@cache
def validator(version: SchemaVersion) -> Draft202012Validator:
    return Draft202012Validator(orjson.loads(DOCUMENTS.document(version).body))


def as_json(data: object) -> object:
    return orjson.loads(orjson.dumps(data))


def field_names(version: SchemaVersion) -> set[object]:
    assert isinstance(version.avro, dict)
    return {field["name"] for field in fields_of(version.avro)}


def is_part(part: object, whole: object) -> bool:
    """Whether ``part`` is ``whole`` with nothing changed, only fields left out."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and is_part(each, whole[name]) for name, each in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) == len(whole) and all(map(is_part, part, whole))
    return part == whole


@each_version
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_what_a_version_writes_each_can_read_and_gives_only_what_its_document_promises(
    version: SchemaVersion, data: st.DataObject
) -> None:
    event = data.draw(data_of(version))
    whole = as_delivered(version, event)

    value = CODEC.encode(version, event)
    found = CODEC.decode(CODEC.dataschema(version), value)

    assert found == whole
    validator(version).validate(as_json(found))
    for reader in CATALOG.schemas[version.schema_id].versions:  # of one event each: to make it is the dear part
        found = CODEC.decode(CODEC.dataschema(version), value, version=reader.version)
        if reader is version:
            assert found == whole
            continue
        assert isinstance(found, dict)
        validator(reader).validate(as_json(found))
        assert is_part(found, whole)
        assert set(found) == set(event) & field_names(reader)


@each_version
def test_a_document_is_json_schema_with_an_example_that_fits(version: SchemaVersion) -> None:
    document = orjson.loads(DOCUMENTS.document(version).body)

    Draft202012Validator.check_schema(document)
    assert document["$id"] == f"{BASE}/{version.schema_id}/{version.version}"
    [example] = document["examples"]
    validator(version).validate(example)
    assert example == CODEC.decode(CODEC.dataschema(version), CODEC.encode(version, example))
