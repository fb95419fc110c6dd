"""What an operation takes, answers and refuses: declared once, beside its handler. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from pydantic import BaseModel

from control_api.http.codes import Code
from eventstreams.http import ErrorCode
from eventstreams.sids import SidKind

JsonSchema = Mapping[str, object]
_IN_BRACES: Final = re.compile(r"{(\w+)}")


class Caller(StrEnum):
    """Who may ask."""

    ACCOUNT = "account"
    OPERATOR = "operator"
    ANYBODY = "anybody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A part of the path, of the query or of a form.

    Attributes:
        schema: Of one value, as JSON Schema.
        repeated: It may be there several times.
    """

    name: str
    description: str
    schema: JsonSchema
    required: bool = False
    repeated: bool = False

    @property
    def needed(self) -> "Parameter":
        """The same, which must be there."""
        return replace(self, required=True)

    @property
    def often(self) -> "Parameter":
        """The same, which may be there several times."""
        return replace(self, repeated=True)

    def said(self, description: str) -> "Parameter":
        """The same in other words."""
        return replace(self, description=description)


def text(name: str, description: str, *, least: int | None = None, most: int | None = None) -> Parameter:
    """Any text of ``least`` to ``most`` characters."""
    bounds = {"minLength": least, "maxLength": most}
    return _parameter(name, description, {"type": "string", **_given(bounds)})


def choice(name: str, description: str, values: Iterable[str]) -> Parameter:
    return _parameter(name, description, {"type": "string", "enum": [str(each) for each in values]})


def flag(name: str, description: str) -> Parameter:
    return _parameter(name, description, {"type": "boolean"})


def integer(
    name: str, description: str, *, least: int, most: int | None = None, default: int | None = None
) -> Parameter:
    bounds = {"minimum": least, "maximum": most, "default": default}
    return _parameter(name, description, {"type": "integer", **_given(bounds)})


def moment(name: str, description: str) -> Parameter:
    return _parameter(name, description, {"type": "string", "format": "date-time"})


def sid(name: str, description: str, kind: SidKind) -> Parameter:
    return _parameter(name, description, {"type": "string", "pattern": f"^{kind}[0-9a-fA-F]{{32}}$"})


def json_text(name: str, description: str, schema: JsonSchema) -> Parameter:
    """A text that holds JSON."""
    said = {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}
    return _parameter(name, description, said)


def any_of(name: str, description: str, *schemas: JsonSchema) -> Parameter:
    return _parameter(name, description, {"anyOf": list(schemas)})


@dataclass(frozen=True, slots=True)
class One:
    """An answer that is one object."""

    model: type[BaseModel]


@dataclass(frozen=True, slots=True)
class Listed:
    """An answer that is a page of a list.

    Attributes:
        key: Name of the array.
        also: What stands beside it, by name.
    """

    key: str
    model: type[BaseModel]
    also: Mapping[str, type[BaseModel]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listed2010:
    """As ``Listed``, in the form of the reference's first API."""

    key: str
    model: type[BaseModel]


@dataclass(frozen=True, slots=True)
class Document:
    """An answer that is none of the API's own objects."""

    media_type: str


Answer = One | Listed | Listed2010 | Document | None
"""None: no content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation; ``name`` is the ``operationId``, of the reference's operations the reference's.

    Attributes:
        group: What it belongs to on the page.
        summary: A few words.
        names: What stands in braces in ``path``.
        answer: Of every status in ``statuses``.
        refusals: Status and code of what is refused for reasons of its own; the general ones go without saying.
        takes_json: The form may be a JSON object as well.
    """

    name: str
    method: str
    path: str
    handler: Handler
    group: str
    summary: str
    description: str = ""
    names: Sequence[Parameter] = ()
    query: Sequence[Parameter] = ()
    form: Sequence[Parameter] = ()
    answer: Answer
    statuses: Sequence[HTTPStatus] = (HTTPStatus.OK,)
    refusals: Sequence[tuple[HTTPStatus, int]] = ()
    caller: Caller = Caller.ACCOUNT
    takes_json: bool = True

    def __post_init__(self) -> None:
        """Raises ``ValueError`` where ``names`` are not what stands in the path."""
        if _IN_BRACES.findall(self.path) != [each.name for each in self.names]:
            raise ValueError(f"{self.name}: {self.path} has other names than are declared")

    @property
    def form_only(self) -> "Operation":
        """The same, which takes no JSON: as the reference."""
        return replace(self, takes_json=False)

    def route(self) -> web.RouteDef:
        make = {hdrs.METH_GET: web.get, hdrs.METH_POST: web.post, hdrs.METH_DELETE: web.delete}[self.method]
        return make(self.path, self.handler)


def refused_with(*codes: Code | ErrorCode) -> Sequence[tuple[HTTPStatus, int]]:
    """For ``Operation.refusals``: each of ``codes`` with the status that it comes with."""
    return tuple((_STATUSES.get(code, HTTPStatus.BAD_REQUEST), int(code)) for code in codes)


def _parameter(name: str, description: str, schema: JsonSchema) -> Parameter:
    return Parameter(name=name, description=description, schema=schema)


def _given(values: Mapping[str, int | None]) -> Mapping[str, int]:
    return {name: value for name, value in values.items() if value is not None}


_STATUSES: Final[Mapping[int, HTTPStatus]] = {
    Code.SINK_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.SUBSCRIPTION_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorCode.CONFLICT: HTTPStatus.CONFLICT,
    ErrorCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}
