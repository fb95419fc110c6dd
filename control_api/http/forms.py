"""Request parameters: form fields of a body, as the reference takes them, and their absence; JSON as well for ours."""

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
_UNTOLD: Final = "application/octet-stream"  # what a body is whose request says nothing of it
_ONLY_FORMS: Final = f"The body must be {FORM}"
_FORM_OR_JSON: Final = f"The body must be {FORM} or {JSON}"
_MAX_FIELDS: Final = 2000
_TOO_MANY: Final = f"The body has more than {_MAX_FIELDS} fields"
_BOOLEANS: Final = {"true": True, "false": False}


def boolean(name: str, text: str) -> bool:
    """The value of the parameter ``name``, as clients spell it.

    Raises:
        RefusedError: 400: it is neither true nor false.
    """
    value = _BOOLEANS.get(text.lower())
    if value is None:
        raise RefusedError(f"{name} must be true or false")
    return value


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a body, in order.

    Attributes:
        note: What is wrong with a body that was passed over, in words that follow others; empty where none was.
    """

    fields: Sequence[tuple[str, str]]
    note: str = ""

    def given(self, name: str) -> str | None:
        """The value of ``name``, which may be left out; the last one where there are several.

        Raises:
            RefusedError: 415: it may well be in the body, which is no form.
        """
        if self.note:
            raise RefusedError(_ONLY_FORMS, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        values = self.all(name)
        return values[-1] if values else None

    def refuse_others(self, *known: str) -> None:
        """Raises ``RefusedError`` (400) where a field has another name: misspelt, it would be passed over unseen."""
        if others := sorted({name for name, _ in self.fields} - set(known)):
            raise RefusedError(f"{others[0][:100]} is no parameter here: there are {', '.join(sorted(known))}")

    def all(self, name: str) -> Sequence[str]:
        """Every value of a field that may be repeated."""
        return [value for key, value in self.fields if key == name]

    def required(self, name: str) -> str:
        """The value of ``name``, which may be empty; the last one where there are several.

        Raises:
            RefusedError: 400, code 20001: it is not there.
        """
        values = self.all(name)
        if not values:
            raise RefusedError(f"Missing required parameter {name} in the post body{self.note}")
        return values[-1]


async def read_form(request: web.Request) -> Form:
    """The form in the body of ``request``; empty where the body is JSON, which the reference passes over.

    Raises:
        RefusedError: the body is too large, too slow, of another type, or no form although it says so.
    """
    body = await read_body(request)
    if request.content_type != FORM:
        if body and request.content_type not in {JSON, _UNTOLD}:
            raise RefusedError(_ONLY_FORMS, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        return Form((), f": the body must be {FORM}, not {request.content_type}" if body else "")
    return _read_form(body)


async def read_form_or_json(request: web.Request) -> Form:
    """The parameters in the body of ``request`` to an extension, which takes a form, or the same names in JSON.

    In JSON ``true`` and numbers are what they are in a form; a list is a field that is repeated, an object is its
    JSON as a text, and ``null`` is an empty text.

    Raises:
        RefusedError: the body is too large, too slow, of another type, or not what it says it is.
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
        raise RefusedError("The body is nested too deeply: a parameter may have 250 levels") from None
    if len(fields) > _MAX_FIELDS:
        raise RefusedError(_TOO_MANY)
    return Form(fields)


def _text(value: object) -> str:
    """A JSON value as a form has it."""
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
