"""What a schema of the catalogue must be: the rules one by one, and every schema that comes with the product."""

import pytest
from fastavro.schema import parse_schema

from eventstreams.catalog import Catalog
from eventstreams.catalog.schema_rules import broken_rules

OPTIONAL = {"name": "note", "type": ["null", "string"], "default": None}
NAME = {"name": "name", "type": "string"}


def record(*fields: object, name: str = "acme.Thing") -> object:
    return parse_schema({"type": "record", "name": name, "fields": list(fields)})


def field(type_: object, **more: object) -> dict[str, object]:
    return {"name": "it", "type": type_, **more}


@pytest.mark.parametrize("schema_id", Catalog.load().schemas)
def test_every_schema_of_the_product_keeps_the_rules(schema_id: str) -> None:
    assert list(Catalog.load().schemas[schema_id].problems()) == []


@pytest.mark.parametrize(
    "type_",
    [
        "string",
        "long",
        "double",
        "boolean",
        {"type": "enum", "name": "acme.Colour", "symbols": ["RED", "BLUE"]},
        {"type": "array", "items": "string"},
        {"type": "map", "values": ["null", "long"]},
        {"type": "record", "name": "acme.Inner", "fields": [OPTIONAL]},
    ],
    ids=str,
)
def test_plain_json_types_keep_the_rules(type_: object) -> None:
    assert broken_rules(record(field(type_))) == []


@pytest.mark.parametrize(
    ("type_", "rule"),
    [
        pytest.param("int", "makes field it int: use long", id="int"),
        pytest.param("float", "makes field it float: use double", id="float"),
        pytest.param("bytes", "makes field it bytes: use string containing base64", id="bytes"),
        pytest.param(
            {"type": "fixed", "name": "acme.Hash", "size": 16}, "makes field it fixed: use string", id="fixed"
        ),
        pytest.param("null", "makes field it null: null is only for optional fields", id="null"),
        pytest.param(
            {"type": "long", "logicalType": "timestamp-millis"},
            "makes field it a timestamp-millis: use the plain long",
            id="logical type",
        ),
        pytest.param({"type": "array", "items": "int"}, "makes an item of field it int", id="inside a list"),
        pytest.param({"type": "array", "items": "null"}, "makes an item of field it null", id="items without bytes"),
        pytest.param({"type": "map", "values": "float"}, "makes a value of field it float", id="inside a map"),
        pytest.param(["null", "string"], "gives field it a default that does not fit", id="optional without default"),
        pytest.param(
            {"type": "record", "name": "acme.Empty", "fields": []}, "gives field it no fields", id="empty record"
        ),
        pytest.param(["string", "string"], "makes field it one of string, string", id="one type twice"),
        pytest.param(["null", ["null", "long"]], "makes field it one of null, union", id="union in a union"),
        pytest.param(
            {"type": "array", "items": "acme.Thing"}, "types must not contain themselves", id="contains itself"
        ),
    ],
)
def test_a_type_that_harms_readers_breaks_a_rule(type_: object, rule: str) -> None:
    assert rule in str(broken_rules(record(field(type_))))


def test_a_schema_that_is_no_record_breaks_a_rule() -> None:
    assert broken_rules(parse_schema({"type": "array", "items": "string"})) == ["is not a record"]
    assert broken_rules(parse_schema(["null", "string"])) == ["is not a record"]


def test_a_field_that_is_there_twice_breaks_a_rule() -> None:
    assert broken_rules(record(NAME, NAME)) == ["has field name twice"]


@pytest.mark.parametrize("name", ["", "a b", "1st", "größe", "a-b", "x: int = print('mine')  #", "a\nimport os"])
def test_a_name_that_is_none_of_avros_breaks_a_rule(name: str) -> None:
    inner = {"type": "record", "name": "acme.Inner", "fields": [{"name": name, "type": "string"}]}

    for thing in (record({"name": name, "type": "string"}), record(field(inner))):
        [broken] = broken_rules(thing)
        assert broken.startswith(f"has a field {name!r}: a name consists of letters")


@pytest.mark.parametrize("name", ["acme.Thing two", "acme..Thing", "acme.Thing():\n pass"])
def test_a_type_whose_name_is_none_of_avros_breaks_a_rule(name: str) -> None:
    [broken] = broken_rules(record(NAME, name=name))

    assert broken.startswith(f"names the type of the record {name!r}: a name consists of letters")


def test_a_type_that_is_named_as_one_of_avros_own_breaks_a_rule() -> None:
    named = {"type": "record", "name": "string", "fields": [NAME]}
    broken = broken_rules(record(field(named), name="Thing"))

    assert broken_rules(record(field(named))) == []  # acme.string
    assert "names the type of field it string, which is one of Avro's own types" in broken


def test_a_default_on_what_is_not_optional_breaks_a_rule() -> None:
    assert "a default that does not fit" in str(broken_rules(record(field("string", default="x"))))
    assert "a default that does not fit" in str(broken_rules(record(field(["string", "null"], default="x"))))


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        pytest.param([NAME], [NAME, OPTIONAL], None, id="an optional field more"),
        pytest.param([NAME, OPTIONAL], [OPTIONAL, NAME], None, id="another order"),
        pytest.param([NAME], [{**NAME, "doc": "better words"}], None, id="other words"),
        pytest.param([NAME, OPTIONAL], [NAME], "lacks field note of acme.Thing", id="a field less"),
        pytest.param([NAME], [{**NAME, "type": "long"}], "changes the type of field name", id="another type"),
        pytest.param(
            [NAME], [NAME, field("long")], "fields that a version adds must be optional", id="a required field more"
        ),
    ],
)
def test_a_new_version_only_adds_optional_fields(before: list[object], after: list[object], rule: str | None) -> None:
    found = broken_rules(record(*after), record(*before))

    assert found == [] if rule is None else rule in str(found)


def test_a_new_version_keeps_names_and_symbols() -> None:
    def colours(*symbols: str) -> object:
        return record(field({"type": "enum", "name": "acme.Colour", "symbols": list(symbols)}))

    assert "changes the symbols of acme.Colour" in str(broken_rules(colours("RED", "BLUE"), colours("RED")))
    assert "the previous version says acme.Thing" in str(broken_rules(record(NAME, name="acme.Other"), record(NAME)))


PHONE = {"identityType": "phone"}


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        pytest.param([{**NAME, **PHONE}], None, id="a string"),
        pytest.param([{**OPTIONAL, **PHONE}], None, id="a string that may be absent"),
        pytest.param([{**NAME, "identityType": "shoe"}], "'shoe': the possible values are phone", id="another kind"),
        pytest.param([field("long", **PHONE)], "'phone': only a string can be one", id="a number"),
        pytest.param([{**NAME, **PHONE}, {**OPTIONAL, **PHONE}], "which another field also has", id="two of a kind"),
        pytest.param(
            [field({"type": "record", "name": "acme.Inner", "fields": [{**NAME, **PHONE}]})],
            "gives field name of field it an identityType: only fields of the outermost record can have one",
            id="inside another record",
        ),
    ],
)
def test_an_identity_is_one_string_of_the_outermost_record(fields: list[object], rule: str | None) -> None:
    found = broken_rules(record(*fields))

    assert found == [] if rule is None else rule in str(found)
