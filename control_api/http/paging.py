"""Paging of lists, in the reference's envelope. Pure.

A token says after (or before) which item a page continues, so pages stay correct while items come and go.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from urllib.parse import urlencode

from control_api.http.codes import Code, refused

DEFAULT_SIZE: Final = 50
MAX_SIZE: Final = 1000  # as in the reference; the official client may ask for more, and then gets this many
_MAX_DIGITS: Final = 9
_NEXT, _PREVIOUS = "PT", "PB"

T = TypeVar("T")
Position = tuple[int, str]
"""The sort key of an item in its list: its time of creation in ms, then its SID."""


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which page is requested. ``number`` applies only without a ``token``."""

    size: int
    number: int
    token: str | None

    @property
    def backwards(self) -> bool:
        """Whether the page ends before the position in ``token``, instead of beginning after it."""
        return self.token is not None and self.token.startswith(_PREVIOUS)

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "PageQuery":
        """Read the parameters ``PageSize``, ``Page`` and ``PageToken``.

        Raises:
            RefusedError: 400, code 91002: one of the numbers is invalid.
        """
        size = _integer(query, "PageSize", default=DEFAULT_SIZE, least=1)
        number = _integer(query, "Page", default=0, least=0)
        return cls(min(size, MAX_SIZE), number, query.get("PageToken") or None)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Items of a list, and the positions at which the previous and next pages begin; None if there is none."""

    items: Sequence[T]
    before: Position | None
    after: Position | None


def paginate(items: Sequence[T], position: Callable[[T], Position], query: PageQuery) -> Page[T]:
    """The page that ``query`` asks for, of ``items``, which must be sorted by ``position``.

    Raises:
        RefusedError: 400, code 91002: the token is not one of ours.
    """
    if query.token is None:
        first = query.number * query.size
    elif query.backwards:
        mark = mark_of(query.token)
        first = max(sum(position(item) < mark for item in items) - query.size, 0)
    else:
        mark = mark_of(query.token)
        first = sum(position(item) <= mark for item in items)
    found = items[first : first + query.size]
    last = first + len(found)
    return Page(
        found,
        before=position(found[0]) if found and first > 0 else None,
        after=position(found[-1]) if found and last < len(items) else None,
    )


def envelope(
    page: Page[T],
    query: PageQuery,
    *,
    key: str,
    url: str,
    filters: Mapping[str, str] | Sequence[tuple[str, str]],
    show: Callable[[T], Mapping[str, object]],
) -> dict[str, object]:
    """The answer to a list request.

    Args:
        page: The page to show.
        query: The page that was requested.
        key: The name of the array.
        url: The absolute URL of the list, without a query.
        filters: The other parameters of the request, which come first in every URL.
        show: Converts one item to JSON.
    """

    def link(number: int, token: str | None = None) -> str:
        given = filters.items() if isinstance(filters, Mapping) else filters
        parameters = [*given, ("PageSize", str(query.size)), ("Page", str(number))]
        if token is not None:
            parameters.append(("PageToken", token))
        return f"{url}?{urlencode(parameters)}"

    previous = None if page.before is None else link(max(query.number - 1, 0), _token(_PREVIOUS, page.before))
    following = None if page.after is None else link(query.number + 1, _token(_NEXT, page.after))
    return {
        key: [show(item) for item in page.items],
        "meta": {
            "page": query.number,
            "page_size": query.size,
            "first_page_url": link(0),
            "previous_page_url": previous,
            "url": link(query.number, query.token),
            "next_page_url": following,
            "key": key,
        },
    }


def _integer(query: Mapping[str, str], name: str, *, default: int, least: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > _MAX_DIGITS or int(text) < least:
        raise refused(Code.BAD_PAGINATION, f"{name} must be an integer of at least {least}")
    return int(text)


def _token(direction: str, position: Position) -> str:
    raw = f"{position[0]}.{position[1]}".encode()
    return direction + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def mark_of(token: str) -> Position:
    """The position in a page's ``token``.

    Raises:
        RefusedError: 400, code 91002: the token is not one of ours.
    """
    text = token.removeprefix(_NEXT).removeprefix(_PREVIOUS)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        created, dot, sid = raw.partition(".")
        if dot:
            return int(created[:20]), sid
    except (binascii.Error, ValueError):
        pass  # answered below
    raise refused(Code.BAD_PAGINATION, "PageToken does not come from a page of this list")
