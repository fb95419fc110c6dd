"""Reads request parameters: form fields, as in the reference; for our extensions also JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from eventstreams.http import RefusedError, read_body

MAX_BODY_BYTES: Final = 256 << 10  # 1,000 event types as JSON objects, percent-encoded, and a long description
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
_UNTOLD: Final = "application/octet-stream"  # aiohttp's content type of a request without one
_ONLY_FORMS: Final = f"The body must be {FORM}"
_FORM_OR_JSON: Final = f"The body must be {FORM} or {JSON}"
_MAX_FIELDS: Final = 2000
_TOO_MANY: Final = f"The body has more than {_MAX_FIELDS} fields"
_BOOLEANS: Final = {"true": True, "false": False}


def boolean(name: str, text: str) -> bool:
    """The boolean value of the parameter ``name``.

    Raises:
        RefusedError: 400: it evaluates to neither true nor false.
    """
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise RefusedError(f"{name} must be true or false")
    return value


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a body, in order.

    Attributes:
        fields: Names and values.
        note: A suffix for errors, which says why the body was ignored; empty if it was not.
    """

    fields: Sequence[tuple[str, str]]
    note: str = ""

    def given(self, name: str) -> str | None:
        """The value of the optional ``name``, the last one if there are several; None if it is missing.

        Raises:
            RefusedError: 415: the body is not a form, so the parameter may be in it unread.
        """
        if self.note:
            raise RefusedError(_ONLY_FORMS, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        values = self.all(name)
        return values[-1] if values else None

    def refuse_others(self, *known: str) -> None:
        """Raises ``RefusedError`` (400) if a field has another name: a misspelt one would otherwise be ignored."""
        if others := sorted({name for name, _ in self.fields} - set(known)):
            raise RefusedError(
                f"{others[0][:100]} is not a parameter of this operation: it has {', '.join(sorted(known))}"
            )

    def all(self, name: str) -> Sequence[str]:
        """All values of a field that may be repeated."""
        return [value for key, value in self.fields if key == name]

    def required(self, name: str) -> str:
        """The value of ``name``, which may be empty; the last one if there are several.

        Raises:
            RefusedError: 400, code 20001: it is missing.
        """
        values = self.all(name)
        if not values:
            raise RefusedError(f"Missing required parameter {name} in the post body{self.note}")
        return values[-1]


async def read_form(request: web.Request) -> Form:
    """Read the form in the body of ``request``; empty if the body is JSON, which the reference ignores.

    Raises:
        RefusedError: the body is too large, too slow, of another type, or not a valid form.
    """
    body = await read_body(request)
    if request.content_type != FORM:
        if body and request.content_type not in {JSON, _UNTOLD}:
            raise RefusedError(_ONLY_FORMS, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        return Form((), f": the body must be {FORM}, not {request.content_type}" if body else "")
    return _read_form(body)


async def read_form_or_json(request: web.Request) -> Form:
    """Read the parameters in the body of a ``request`` to an extension: a form, or the same names in a JSON object.

    JSON's ``true`` and numbers mean the same as in a form; a list is a repeated field, an object is its JSON as a text,
    and ``null`` is an empty text.

    Raises:
        RefusedError: the body is too large, too slow, of another type, or not valid.
    """
    body = await read_body(request)
    if not body:
        return Form(())
    if request.content_type == FORM:
        return _read_form(body)
    if request.content_type != JSON:
        raise RefusedError(_FORM_OR_JSON, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusedError(f"The body is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise RefusedError('The body must be a JSON object of parameters, such as {"Paused": true}')
    try:
        fields = [
            (name, _text(each))
            for name, value in given.items()
            for each in (value if isinstance(value, list) else [value])
        ]
    except orjson.JSONEncodeError:  # it reads 1,024 levels and writes 254
        raise RefusedError("The body is nested too deeply: a parameter may have at most 250 levels") from None
    if len(fields) > _MAX_FIELDS:
        raise RefusedError(_TOO_MANY)
    return Form(fields)


def _text(value: object) -> str:
    """A JSON value as the text in a form."""
    match value:
        case str():
            return value
        case None:
            return ""
        case _:
            return orjson.dumps(value).decode()


def _read_form(body: bytes) -> Form:
    try:
        text = body.decode("utf-8")
        return Form(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS))
    except UnicodeDecodeError:
        raise RefusedError("The form is not UTF-8") from None
    except ValueError:
        raise RefusedError(_TOO_MANY) from None
