"""Parses ``catalog.yaml``, and reports every mistake in it with its location."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

FILE: Final = "catalog.yaml"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # both are safe; the first is ten times as fast
_TYPE_NAME: Final = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_SCHEMA_ID: Final = re.compile(r"[A-Za-z0-9]+(\.[A-Za-z0-9]+)+")


class EventTypeStatus(StrEnum):
    """Whether a type may be subscribed to, and whether it is still delivered (the reference's life cycle)."""

    AVAILABLE = "available"
    DEPRECATED = "deprecated"
    RESTRICTED = "restricted"
    DISCONTINUED = "discontinued"


class Filled(StrEnum):
    """What a field of the data repeats of its event's attributes, so that producers need not give it twice."""

    ACCOUNT = "accountsid"
    ID = "id"
    TIME = "time"  # RFC 3339 with milliseconds
    TYPE = "type"
    TYPE_ENDING = "type-ending"  # the part of the type's name that its schema's types do not share


def _words(value: object) -> object:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("it must be human-readable text")
    return value


def _type_name(value: str) -> str:
    if not _TYPE_NAME.fullmatch(value):
        raise ValueError(
            "a type consists of lower-case words and digits separated by dots, such as com.acme.parcel.sent"
        )
    return value


def _described(value: object) -> object:
    return {"description": value} if value is None or isinstance(value, str) else value


def _class_name(value: str) -> str:
    if not re.fullmatch("[A-Z][A-Za-z0-9]*", value):
        raise ValueError("a class name is in CapWords, such as ParcelDelivered")
    return value


Words = Annotated[str, BeforeValidator(_words)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TypeEntry(_Strict):
    """An event type.

    Attributes:
        data: Fields with the same value in all of its events, such as the status that a message has reached.
        name_in_code: Name of its class in typed producers, if the one derived from its own name would be clumsy.
    """

    description: Words
    status: EventTypeStatus = EventTypeStatus.AVAILABLE
    internal: bool = False
    documentation_url: str | None = None
    sinks: tuple[str, ...] | None = None
    data: dict[str, str] = Field(default_factory=dict)
    name_in_code: Annotated[str, AfterValidator(_class_name)] | None = None


class VersionEntry(_Strict):
    released: date
    changes: Words


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _id_form(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch("[A-Z]{2}|hash", value):
        raise ValueError("it must be two capital letters in quotation marks, or hash")  # YAML reads a bare NO as false
    return value


class EventsEntry(_Strict):
    """How the attributes and data of a schema's events depend on each other, so that typed producers can derive them.

    Attributes:
        source: Template of the attribute, with fields of the data, or ``accountsid``, in braces. Without one, producers
            must give it.
        partition_key: Fields whose value keeps events in order; the first one present counts. Default: the source.
        id: Two letters with which ids begin, or ``hash`` for 64 hexadecimal digits.
        filled: Fields that repeat an attribute of the event.
    """

    source: str | None = None
    partition_key: Annotated[tuple[str, ...], BeforeValidator(_one_or_more)] = ()
    id: Annotated[str, BeforeValidator(_id_form)] = "EZ"
    filled: dict[str, Filled] = Field(default_factory=dict)


class SchemaEntry(_Strict):
    product: str
    title: Words
    sinks: tuple[str, ...] = ("webhook", "kinesis")
    events: EventsEntry = EventsEntry()
    versions: dict[int, VersionEntry] = Field(min_length=1)
    types: dict[Annotated[str, AfterValidator(_type_name)], Annotated[TypeEntry, BeforeValidator(_described)]] = Field(
        min_length=1
    )


class Listing(_Strict):
    products: dict[str, Words]
    schemas: dict[str, SchemaEntry]


_NOTHING: Final = Listing(products={}, schemas={})


def read_listing(path: Path) -> tuple[Listing, Sequence[str]]:
    """The usable part of the listing at ``path``, and every mistake in it, as sentences that begin with the file."""
    try:
        written = yaml.load(path.read_text("utf-8"), _LOADER)  # noqa: S506 - a safe one
    except OSError as error:
        return _NOTHING, [f"{path} cannot be read: {error.strerror}"]
    except (yaml.YAMLError, ValueError) as error:  # the latter: bytes that are not text, or a date that does not exist
        return _NOTHING, [f"{path} is not YAML: {one_line(error)}"]
    try:
        return Listing.model_validate(written), ()
    except ValidationError as error:
        found = error.errors(include_url=False)
    return _usable(written, {each["loc"][:2] for each in found}), [
        _sentence(path, each["loc"], each["msg"]) for each in found
    ]


def _usable(written: object, wrong: Collection[tuple[int | str, ...]]) -> Listing:
    """``written`` without the schemas in ``wrong``, so that a mistake in one does not hide mistakes in others."""
    if not isinstance(written, dict):
        return _NOTHING
    products, schemas = written.get("products"), written.get("schemas")
    if not isinstance(products, dict) or not isinstance(schemas, dict):
        return _NOTHING
    return Listing(
        products={str(each): _title_or_id(title, str(each)) for each, title in products.items()},
        schemas={
            name: SchemaEntry.model_validate(entry)
            for name, entry in schemas.items()
            if isinstance(name, str) and ("schemas", name) not in wrong
        },
    )


def _title_or_id(title: object, id_: str) -> str:
    return title if isinstance(title, str) and title.strip() else f"{id_}, without a title"


def _sentence(path: Path, place: tuple[int | str, ...], message: str) -> str:
    where = " / ".join(str(part) for part in place if part != "[key]")
    plain = message.removeprefix("Value error, ")
    return f"{path}: {where}: {plain}" if where else f"{path}: {plain}"


def entry_problems(folder: Path, schema_id: str, entry: SchemaEntry, products: Mapping[str, str]) -> Iterator[str]:
    """Every contradiction between the entry of ``schema_id`` and itself, the products, or the files in ``folder``."""
    where = f"{folder / FILE}: schema {schema_id}"
    if entry.product not in products:
        yield f"{where} belongs to product {entry.product!r}, which is not listed"
    if not _SCHEMA_ID.fullmatch(schema_id):
        yield f"{where}: an id has the form Product.Name, in letters and digits"
        return  # its files cannot be in the right place either
    listed = sorted(entry.versions)
    wanted = list(range(1, len(listed) + 1))
    if listed != wanted:
        yield f"{where}: the versions are {listed}, but must be {wanted} without gaps"
    for version in listed:
        path = version_file(folder, schema_id, version)
        if not path.is_file():
            yield f"{where}: {path} is missing"


def version_file(folder: Path, schema_id: str, version: int) -> Path:
    return folder / schema_id / f"{version}.avsc"


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())
