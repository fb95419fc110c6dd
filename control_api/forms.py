"""Request parameters: form fields of a body, as the reference takes them, and their absence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from eventstreams.http import RefusedError, read_body

MAX_BODY_BYTES: Final = 256 << 10  # 1,000 event types as JSON objects, percent-encoded, and a long description
FORM: Final = "application/x-www-form-urlencoded"
_MAX_FIELDS: Final = 2000


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a body, in order; ``note`` is added where one is missing because of the body's content type."""

    fields: Sequence[tuple[str, str]]
    note: str = ""

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
    """The form in the body of ``request``; empty where the body is something else, as the reference has it.

    Raises:
        RefusedError: the body is too large, too slow, or no form although it says so.
    """
    body = await read_body(request)
    if request.content_type != FORM:
        return Form((), f": the body must be {FORM}, not {request.content_type}" if body else "")
    try:
        text = body.decode("utf-8")
        return Form(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS))
    except UnicodeDecodeError:
        raise RefusedError("The form is not UTF-8") from None
    except ValueError:
        raise RefusedError(f"The form has more than {_MAX_FIELDS} fields") from None
