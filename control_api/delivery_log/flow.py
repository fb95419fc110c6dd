"""``/v1/Flow``: counts of the last seconds: events accepted by type, and attempts by sink. An extension of ours."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web

from control_api.delivery_log.answers import NO_LOG, show_lag, show_time, using_log
from control_api.delivery_log.store import EventTally, Span, Tally
from control_api.http.answers import json_answer
from control_api.http.declared import One, Operation, integer
from control_api.plane import PLANE
from eventstreams.attempts import EntryKind
from eventstreams.catalog import Catalog
from eventstreams.client import flow as models
from eventstreams.http import ACCOUNT, RefusedError

PATH: Final = "/v1/Flow"
_SECONDS: Final = 10
_MOST_SECONDS: Final = 60
_MAX_DIGITS: Final = 9
_LATE_MS: Final = 1_000  # what was settled this long ago is in the log, unless the log lags
MOST_COUNTED: Final = 20_000
"""The most rows of each kind that a request counts: some 30 ms. 10 s of 1,000 events a second are half as many."""


async def fetch(request: web.Request) -> web.Response:
    """Answer with the counts of a period that ended a second ago.

    Attempts count at the time when they began, so slow ones may be missing.
    """
    plane, account_sid = request.app[PLANE], request[ACCOUNT].sid
    seconds = _seconds(request)
    until_ms = plane.clock() - _LATE_MS
    span = Span(account_sid=account_sid, from_ms=until_ms - seconds * 1000, before_ms=until_ms, most=MOST_COUNTED)
    with using_log(request) as service:
        accepted, tried = await service.log.tallies(span)
        lag = service.log.lag
    return json_answer(
        {
            "since": show_time(span.from_ms),
            "until": show_time(until_ms),
            "accepted": _show_accepted(accepted, plane.catalog),
            "accepted_seconds": _counted_s(accepted, span),
            "deliveries": _show_tried(tried, plane.catalog),
            "deliveries_seconds": _counted_s(tried, span),
            "lag": show_lag(lag),
            "url": plane.url(request, PATH),
        }
    )


def _seconds(request: web.Request) -> int:
    text = request.query.get("Seconds", str(_SECONDS))
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS else 0
    if not 0 < number <= _MOST_SECONDS:
        raise RefusedError(f"Seconds must be a whole number from 1 to {_MOST_SECONDS}")
    return number


def _counted_s(tallies: Sequence[EventTally] | Sequence[Tally], span: Span) -> float:
    """The period that was counted, in seconds: shorter than requested if there were too many rows."""
    if sum(each.number for each in tallies) < span.most:
        return (span.before_ms - span.from_ms) / 1000
    return max(span.before_ms - min(each.oldest_ms for each in tallies), 1) / 1000


def _show_accepted(tallies: Sequence[EventTally], catalog: Catalog) -> Sequence[Mapping[str, object]]:
    return [
        {
            "type": each.type,
            "product": _product(each.type, catalog),
            "events": each.number,
        }
        for each in sorted(tallies, key=lambda each: (-each.number, each.type))
    ]


def _show_tried(tallies: Sequence[Tally], catalog: Catalog) -> Sequence[Mapping[str, object]]:
    found: defaultdict[tuple[str, str, str], dict[str, int]] = defaultdict(
        lambda: dict.fromkeys((kind.value for kind in EntryKind), 0)
    )
    for each in tallies:
        found[each.subscription_sid, each.sink_sid or "", each.type][each.kind] += each.number
    return [
        {
            "subscription_sid": subscription_sid or None,
            "sink_sid": sink_sid or None,
            "type": type_,
            "product": _product(type_, catalog),
            **kinds,
        }
        for (subscription_sid, sink_sid, type_), kinds in sorted(found.items())
    ]


def _product(event_type: str, catalog: Catalog) -> str | None:
    found = catalog.types.get(event_type)
    return None if found is None else found.product


OPERATIONS: Final = (
    Operation(
        name="FetchFlow",
        method="GET",
        path=PATH,
        handler=fetch,
        group="Delivery log",
        summary="Fetch current traffic",
        description="Counts for the last seconds: accepted events by type, and attempts by subscription and sink. "
        "If there is more than can be counted, `accepted_seconds` and `deliveries_seconds` are "
        "shorter than requested: divide the counts by them to get rates.",
        query=(integer("Seconds", "How far back to look.", least=1, most=_MOST_SECONDS, default=_SECONDS),),
        answer=One(models.Flow),
        refusals=NO_LOG,
    ),
)
