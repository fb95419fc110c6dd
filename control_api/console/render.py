"""Renders templates: everything is escaped, an undefined name is an error, and there are common filters."""

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final
from urllib.parse import quote, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from control_api.console.figures import FIGURES
from control_api.console.humanize import ago
from control_api.console.static import StaticFiles
from control_api.overdue import WORDS, is_overdue
from eventstreams.cli.terminal import harmless_json
from eventstreams.times import Clock, from_ms

SAID: Final[Mapping[str, str]] = {
    "created": "Created.",
    "updated": "Saved.",
    "deleted": "Deleted.",
    "paused": "Paused: its events wait until it is resumed or their deadlines pass.",
    "resumed": "Resumed.",
    "valid": "The sink is active.",
    "signed-out": "You are signed out.",
    "ended": "Your session has expired: sign in again.",
}
"""What a page says at its top after something was done. By key, because anybody can write a link to our pages."""

# HTML cannot contain these: https://html.spec.whatwg.org/multipage/parsing.html#preprocessing-the-input-stream
_NO_TEXT: Final = re.compile(
    "[\\x00-\\x08\\x0b\\x0e-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufdd0-\\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)


class Renderer:
    """Renders templates for the console's pages."""

    def __init__(self, static: StaticFiles, navigation: Sequence[object], clock: Clock) -> None:
        self._clock = clock
        self._environment = Environment(
            loader=PackageLoader("control_api.console"),
            autoescape=True,
            undefined=StrictUndefined,
        )
        self._environment.globals |= {
            "static": static.path,
            "navigation": navigation,
            "said_in_words": SAID,
            "once": _once,
            "because_overdue": WORDS,
        }
        self._environment.filters |= {
            "ago": self._ago,
            "name": _name,
            "json": partial(harmless_json, indent=True),
            "moment": _moment,
            "overdue": self._overdue,
            "marked": _marked,
            **FIGURES,
        }

    def render(self, template: str, **context: object) -> str:
        """Render ``templates/<template>``; what ``context`` contains is text, never markup.

        Characters that HTML cannot contain become U+FFFD.
        """
        return _NO_TEXT.sub("\ufffd", self._environment.get_template(template).render(**context))

    def _ago(self, text: str) -> str:
        at = _read(text)
        return text if at is None else ago(at, from_ms(self._clock()))

    def _overdue(self, text: str) -> bool:
        return is_overdue(text, from_ms(self._clock()))


def next_page(meta: Mapping[str, object], key: str = "next_page_url") -> str:
    """The query of the next or previous page, from the API's ``meta``; empty if there is none."""
    url = meta.get(key)
    return urlsplit(url).query if isinstance(url, str) else ""


def page_query(query: Mapping[str, str], size: int) -> list[tuple[str, str]]:
    """The API's paging parameters, from the console's query; ``size`` is the default page size."""
    known = [(name, query[name]) for name in ("Page", "PageToken") if name in query]
    return [*known, ("PageSize", query.get("PageSize", str(size)))]


def _once() -> str:
    """A token that identifies one form of a page as it was shown once."""
    return secrets.token_urlsafe(16)


def _name(value: str) -> str:
    """``value`` quoted as one segment of a path."""
    return quote(value, safe="", errors="replace")


def _moment(text: str) -> str:
    """A time to the second, in UTC."""
    at = _read(text)
    return text if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _marked(text: str) -> Markup:
    """``text`` as markup, with what is in backticks as code."""
    parts = [escape(each) for each in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(each) if index % 2 else each for index, each in enumerate(parts)
    )


def _read(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the latter if it is before the year 1 or after 9999 in UTC
        return None
