"""A schema's fields in words, and what versions differ in."""

import orjson

from control_api.console.schema_fields import Change, differences, schema_fields
from eventstreams.catalog import Catalog
from eventstreams.catalog.schema_documents import SchemaDocuments

OLD = {
    "required": ["id", "gone"],
    "properties": {
        "id": {"type": "string", "description": "Which."},
        "gone": {"type": "integer"},
        "status": {"$ref": "#/$defs/Status"},
    },
    "$defs": {"Status": {"enum": ["A", "B"], "description": "How it is."}},
}
NEW = {
    "required": ["id"],
    "properties": {
        "id": {"type": ["string", "integer"]},
        "status": {"$ref": "#/$defs/Status"},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
        "tags": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "$defs": {
        "Status": {"enum": ["A", "B"]},
        "Part": {"type": "object", "required": ["size"], "properties": {"size": {"anyOf": [{"type": "null"}]}}},
    },
}


def test_fields_are_listed_with_those_within_them_and_their_types_in_words() -> None:
    found = [(each.path, each.type, each.required) for each in schema_fields(NEW)]

    assert found == [
        ("id", "string or integer", True),
        ("status", "one of A, B", False),
        ("parts", "list of object", False),
        ("parts[].size", "null", True),
        ("tags", "map of string", False),
    ]
    assert schema_fields(OLD)[2].help == "How it is."


def test_versions_differ_in_what_was_added_what_is_another_and_what_is_gone() -> None:
    found = [(each.change, each.field.path, each.before) for each in differences(OLD, NEW)]

    assert found == [
        (Change.CHANGED, "id", "string"),
        (Change.ADDED, "parts", ""),
        (Change.ADDED, "parts[].size", ""),
        (Change.ADDED, "tags", ""),
        (Change.REMOVED, "gone", ""),
    ]
    assert differences(NEW, NEW) == []


def test_a_schema_that_refers_to_itself_has_an_end() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}

    found = schema_fields({"properties": {"head": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": node}})

    assert found[1].path == "head.next"
    assert len(found) < 20


def test_every_schema_of_the_catalogue_can_be_shown() -> None:
    catalog = Catalog.load([])
    documents = SchemaDocuments(catalog, schema_base_url="https://events.example.com/schemas")

    for schema in catalog.schemas.values():
        shown = [orjson.loads(documents.document(each).body) for each in schema.versions]
        assert all(each.type != "any" for document in shown for each in schema_fields(document)), schema.id
        for older, newer, version in zip(shown, shown[1:], schema.versions[1:], strict=False):
            in_words_alone = version.changes.startswith("Descriptions only")
            assert bool(differences(older, newer)) is not in_words_alone, (schema.id, version.version)
