"""Every version of every schema: what any version writes, each can read, and gives only what its document promises."""

from functools import cache

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from eventstreams.avro_names import fields_of
from eventstreams.catalog import Catalog, SchemaVersion
from eventstreams.codec import Codec
from eventstreams.schema_documents import SchemaDocuments
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
def test_what_is_written_in_a_version_is_read_in_it_and_fits_its_document(
    version: SchemaVersion, data: st.DataObject
) -> None:
    event = data.draw(data_of(version))

    value = CODEC.encode(version, event)
    found = CODEC.decode(CODEC.dataschema(version), value)

    assert found == as_delivered(version, event)
    validator(version).validate(as_json(found))


@each_version
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_what_any_version_writes_fits_the_document_of_the_version_that_reads(
    version: SchemaVersion, data: st.DataObject
) -> None:
    writer = data.draw(st.sampled_from(CATALOG.schemas[version.schema_id].versions))
    event = data.draw(data_of(writer))

    found = CODEC.decode(CODEC.dataschema(writer), CODEC.encode(writer, event), version=version.version)

    assert isinstance(found, dict)
    validator(version).validate(as_json(found))
    assert is_part(found, as_delivered(writer, event))
    assert set(found) == set(event) & field_names(version)


@each_version
def test_a_document_is_json_schema_with_an_example_that_fits(version: SchemaVersion) -> None:
    document = orjson.loads(DOCUMENTS.document(version).body)

    Draft202012Validator.check_schema(document)
    assert document["$id"] == f"{BASE}/{version.schema_id}/{version.version}"
    [example] = document["examples"]
    validator(version).validate(example)
    assert example == CODEC.decode(CODEC.dataschema(version), CODEC.encode(version, example))
