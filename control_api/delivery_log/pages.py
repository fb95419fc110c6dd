"""Paging of the log's search results: which page is requested, and where the next and previous ones begin."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, TypeVar

from aiohttp import web

from control_api.delivery_log.store import Mark
from control_api.http.codes import Code, refused
from control_api.http.paging import Page, PageQuery, Position
from control_api.http.sealed_pages import seal, unseal
from eventstreams.http import RefusedError
from eventstreams.times import parse_rfc3339, to_ms

_MOST_SKIPPED: Final = 10_000  # finding a page by its number costs as much as reading all before it


class Marked(Protocol):
    """A result with its position in the order of all."""

    @property
    def mark(self) -> Mark: ...


R = TypeVar("R", bound=Marked)


def mark_in(request: web.Request, query: PageQuery) -> Mark | None:
    """The position that the page continues from; None if ``query`` has a page number instead.

    Raises:
        RefusedError: 400: the token is not ours, or the number is too large.
    """
    sealed = unseal(request, query, by_number=True)
    if sealed is not None:
        return Mark(*map(int, sealed.split(".")))
    if query.number * query.size > _MOST_SKIPPED:
        raise refused(Code.BAD_PAGINATION, "Page is too far from the first: follow next_page_url instead")
    return None


def page_of(request: web.Request, found: Sequence[R], query: PageQuery) -> Page[R]:
    """The page from ``found``, which is sorted newest first and has one item too many if there are more pages."""
    newer, more = query.backwards, len(found) > query.size
    items = (found[-query.size :] if newer else found[: query.size]) if more else found
    goes_back = more if newer else query.token is not None or query.number > 0
    goes_on = newer or more

    def position(item: R) -> Position:
        return seal(request, ".".join(map(str, item.mark)))

    return Page(
        items,
        before=position(items[0]) if items and goes_back else None,
        after=position(items[-1]) if items and goes_on else None,
    )


def time_in(filters: Mapping[str, str], name: str) -> int | None:
    """The time in the filter ``name``, in ms since the epoch; None if it is not given.

    Raises:
        RefusedError: 400: it is not a time.
    """
    if name not in filters:
        return None
    try:
        return to_ms(parse_rfc3339(filters[name]))
    except (ValueError, OverflowError):
        raise RefusedError(f"{name} must be a time such as 2026-03-29T04:01:02Z") from None
