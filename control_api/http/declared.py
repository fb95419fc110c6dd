"""Declarations of operations, beside their handlers: what they take, answer and refuse. Pure."""

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
from eventstreams.http import ErrorCode, RefusedError
from eventstreams.sids import SidKind

JsonSchema = Mapping[str, object]
PAGING: Final = ("PageSize", "Page", "PageToken")
"""The parameters of every list."""
_MOST_SHOWN: Final = 80  # characters of what was given
_IN_BRACES: Final = re.compile(r"{(\w+)}")


class Caller(StrEnum):
    """Who may call an operation."""

    ACCOUNT = "account"
    OPERATOR = "operator"
    ANYBODY = "anybody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter in the path, the query or a form.

    Attributes:
        name: Its name.
        description: Its description in the OpenAPI document.
        schema: The JSON Schema of one value.
        required: Whether it must be given.
        repeated: Whether it may be given several times.
    """

    name: str
    description: str
    schema: JsonSchema
    required: bool = False
    repeated: bool = False

    @property
    def needed(self) -> "Parameter":
        """The same parameter, but required."""
        return replace(self, required=True)

    @property
    def often(self) -> "Parameter":
        """The same parameter, but allowed several times."""
        return replace(self, repeated=True)

    def said(self, description: str) -> "Parameter":
        """The same parameter with another description."""
        return replace(self, description=description)


def text(name: str, description: str, *, least: int | None = None, most: int | None = None) -> Parameter:
    """A text of ``least`` to ``most`` characters."""
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
    """A text that contains JSON."""
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
        key: The name of the array.
        model: The model of its items.
        also: Further fields beside it, by name.
    """

    key: str
    model: type[BaseModel]
    also: Mapping[str, type[BaseModel]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listed2010:
    """Like ``Listed``, in the format of the reference's first API."""

    key: str
    model: type[BaseModel]


@dataclass(frozen=True, slots=True)
class Document:
    """An answer that is not one of the API's objects."""

    media_type: str


Answer = One | Listed | Listed2010 | Document | None
"""None: no content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation.

    Attributes:
        name: The ``operationId``; for operations of the reference, the reference's.
        method: The HTTP method.
        path: The path, with names in braces.
        handler: Handles it.
        group: The heading on the page that it belongs to.
        summary: A few words.
        description: More words; may be empty.
        names: The parameters in braces in ``path``, in order.
        query: The parameters of the query.
        form: The parameters of the body.
        answer: The answer for every status in ``statuses``.
        statuses: The statuses of success.
        refusals: The statuses and codes of refusals that are specific to it; general ones need not be declared.
        caller: Who may call it.
        takes_json: Whether the form may be a JSON object as well.
        refuses_unknown: Whether a parameter that is not in ``query`` is refused: a misspelt filter must not list all.
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
    refuses_unknown: bool = True

    def __post_init__(self) -> None:
        """Raises ``ValueError`` if ``names`` do not match those in the path."""
        if _IN_BRACES.findall(self.path) != [each.name for each in self.names]:
            raise ValueError(f"{self.name}: {self.path} has other names than are declared")

    @property
    def as_in_the_reference(self) -> "Operation":
        """The same operation, but without JSON bodies, and passing over unknown parameters of the query."""
        return replace(self, takes_json=False, refuses_unknown=False)

    def route(self) -> web.RouteDef:
        make = {hdrs.METH_GET: web.get, hdrs.METH_POST: web.post, hdrs.METH_DELETE: web.delete}[self.method]
        return make(self.path, self._handle_known if self.refuses_unknown else self.handler)

    async def _handle_known(self, request: web.Request) -> web.StreamResponse:
        known = [each.name for each in self.query]
        if isinstance(self.answer, Listed | Listed2010):
            known += PAGING
        for name in request.query:
            if name not in known:
                raise unknown_parameter(name, known)
        return await self.handler(request)


def unknown_parameter(name: str, known: Sequence[str]) -> RefusedError:
    """The refusal of a parameter ``name`` that is not among the ``known`` ones."""
    said = f"there are {', '.join(known)}" if known else "there are none"
    return RefusedError(f"Unknown parameter {name[:_MOST_SHOWN]}: {said}")


def refused_with(*codes: Code | ErrorCode) -> Sequence[tuple[HTTPStatus, int]]:
    """For ``Operation.refusals``: each of ``codes`` with its status."""
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
