"""Pages of what a search of the log finds: which part of it is asked for, and where the parts beside it go on."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, TypeVar

from aiohttp import web

from control_api.delivery_log.store import Mark
from control_api.http.codes import Code, refused
from control_api.http.paging import Page, PageQuery, Position
from control_api.http.sealed_pages import seal, unseal
from eventstreams.http import RefusedError
from eventstreams.times import parse_rfc3339, to_ms

_MOST_SKIPPED: Final = 10_000  # a page that is asked for by number costs all that is before it


class Marked(Protocol):
    """What has its place among all."""

    @property
    def mark(self) -> Mark: ...


R = TypeVar("R", bound=Marked)


def mark_in(request: web.Request, query: PageQuery) -> Mark | None:
    """Where the page goes on from; None where ``query`` counts pages.

    Raises:
        RefusedError: 400: its token is none of ours, or its number is too large.
    """
    sealed = unseal(request, query)
    if sealed is not None:
        return Mark(*map(int, sealed.split(".")))
    if query.number * query.size > _MOST_SKIPPED:
        raise refused(Code.BAD_PAGINATION, "Page is too far from the first: go on with next_page_url instead")
    return None


def page_of(request: web.Request, found: Sequence[R], query: PageQuery) -> Page[R]:
    """The page in ``found``, newest first, which has one more than the page where there is more."""
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
    """The time that ``filters`` name, in ms; None where they do not.

    Raises:
        RefusedError: 400: it is no time.
    """
    if name not in filters:
        return None
    try:
        return to_ms(parse_rfc3339(filters[name]))
    except (ValueError, OverflowError):
        raise RefusedError(f"{name} must be a time such as 2026-03-29T04:01:02Z") from None
