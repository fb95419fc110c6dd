"""``/v1/Attempts``: what was tried, newest first. An extension: the reference has nothing of the kind."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web

from control_api.answers import json_answer
from control_api.codes import Code, refused
from control_api.declared import Listed, Operation, choice, moment, sid, text
from control_api.delivery_log.answers import asking, show_lag, show_time, utf8
from control_api.delivery_log.store import EntryQuery, LoggedEntry, Mark
from control_api.paging import Page, PageQuery, Position, envelope
from control_api.plane import PLANE
from eventstreams.attempts import EntryKind
from eventstreams.client.models import Attempt, Lag
from eventstreams.http import ACCOUNT, RefusedError
from eventstreams.reasons import DeadReason, RetryReason
from eventstreams.sids import SidKind, is_sid
from eventstreams.times import parse_rfc3339, to_ms

PATH: Final = "/v1/Attempts"
_FAILED: Final = "failed"
_FILTERS: Final = ("EventId", "SubscriptionSid", "SinkSid", "Outcome", "Reason", "After", "Before")
_CLOSED_SETS: Final[Mapping[str, Sequence[str]]] = {
    "Outcome": (*EntryKind, _FAILED),
    "Reason": (*RetryReason, *DeadReason),
}
_SIDS: Final = {"SubscriptionSid": SidKind.SUBSCRIPTION, "SinkSid": SidKind.SINK}
_PLACE: Final = re.compile(r"(\d{1,3})\.(\d{1,12})\.(\d{1,4})", re.ASCII)  # as _position spells it
_LATEST_MS: Final = 1 << 50
_MOST_SKIPPED: Final = 10_000  # a page that is asked for by number costs all that is before it


async def list_all(request: web.Request) -> web.Response:
    """Attempts of the account, with filters; failures of the last hour are ``Outcome=failed&After=…``."""
    query = PageQuery.parse(request.query)
    filters = {name: request.query[name] for name in _FILTERS if name in request.query}
    wanted = _entry_query(request[ACCOUNT].sid, filters, query)
    with asking(request) as desk:
        found, lag = await desk.log.entries(wanted), desk.log.lag
    url = request.app[PLANE].url(request, PATH)
    page = _page(found, query, newer=wanted.newer)
    answer = envelope(page, query, key="attempts", url=url, filters=filters, show=show)
    return json_answer({**answer, "lag": show_lag(lag)})


def show(logged: LoggedEntry) -> Mapping[str, object]:
    """One entry as the API answers it."""
    entry = logged.entry
    expires = entry.next_at_ms is not None and entry.next_at_ms == entry.deadline_ms
    return {
        "event_id": entry.event_id,
        "event_type": entry.event_type,
        "account_sid": entry.account_sid,
        "subscription_sid": entry.subscription_sid or None,
        "sink_sid": entry.sink_sid,
        "sink_type": entry.sink_type,
        "attempt": entry.attempt,
        "outcome": entry.kind,
        "reason": entry.reason,
        "code": entry.code,
        "status": entry.status,
        "detail": entry.detail,
        "answer": entry.answer,
        "began_at": show_time(entry.at_ms),
        "duration_ms": entry.duration_ms,
        "next_try_at": None if expires else show_time(entry.next_at_ms),
        "accepted_at": show_time(entry.accepted_ms),
        "deadline": show_time(entry.deadline_ms),
        "origin": entry.origin,
        "put_on": entry.rests_at,
    }


def _entry_query(account_sid: str, filters: Mapping[str, str], query: PageQuery) -> EntryQuery:
    """What to ask the log.

    Raises:
        RefusedError: 400: a filter or the page makes no sense; says what would.
    """
    for name, values in _CLOSED_SETS.items():
        if name in filters and filters[name] not in values:
            raise RefusedError(f"{name} must be one of {', '.join(values)}")
    for name, kind in _SIDS.items():
        if name in filters and not is_sid(filters[name], kind):
            raise RefusedError(f"{name} is malformed: it is {kind} and 32 hexadecimal digits")
    if query.token is None and query.number * query.size > _MOST_SKIPPED:
        raise refused(Code.BAD_PAGINATION, "Page is too far from the first: go on with next_page_url instead")
    seek, outcome = query.seek(), filters.get("Outcome")
    return EntryQuery(
        account_sid=account_sid,
        event_id=utf8(filters["EventId"]) if "EventId" in filters else None,
        subscription_sid=filters.get("SubscriptionSid"),
        sink_sid=filters.get("SinkSid"),
        kind=None if outcome == _FAILED else outcome,
        failed=outcome is not None and outcome not in {EntryKind.DELIVERED, EntryKind.REDRIVEN},
        reason=filters.get("Reason"),
        from_ms=_time(filters, "After") or 0,
        before_ms=_time(filters, "Before"),
        mark=None if seek is None else _mark(seek.position),
        newer=seek is not None and seek.backwards,
        skip=0 if seek is not None else query.number * query.size,
        limit=query.size + 1,  # the last only says that there are more
    )


def _page(found: Sequence[LoggedEntry], query: PageQuery, *, newer: bool) -> Page[LoggedEntry]:
    more = len(found) > query.size
    items = (found[-query.size :] if newer else found[: query.size]) if more else found
    goes_back = more if newer else query.token is not None or query.number > 0
    goes_on = newer or more
    return Page(
        items,
        before=_position(items[0]) if items and goes_back else None,
        after=_position(items[-1]) if items and goes_on else None,
    )


def _time(filters: Mapping[str, str], name: str) -> int | None:
    if name not in filters:
        return None
    try:
        return to_ms(parse_rfc3339(filters[name]))
    except (ValueError, OverflowError):
        raise RefusedError(f"{name} must be a time such as 2026-03-29T04:01:02Z") from None


def _position(logged: LoggedEntry) -> Position:
    at_ms, *place = logged.mark
    return at_ms, ".".join(map(str, place))


def _mark(position: Position) -> Mark:
    at_ms, place = position
    match = _PLACE.fullmatch(place)
    if match is None or not 0 <= at_ms <= _LATEST_MS:
        raise refused(Code.BAD_PAGINATION, "PageToken is not one that came with a page of this list")
    return Mark(at_ms, *map(int, match.groups()))


OPERATIONS: Final = (
    Operation(
        name="ListAttempt",
        method="GET",
        path=PATH,
        handler=list_all,
        group="Delivery log",
        summary="List what was tried",
        description="Newest first. Failures of the last hour are `Outcome=failed&After=…`.",
        query=(
            text("EventId", "Of this event."),
            sid("SubscriptionSid", "Of this subscription.", SidKind.SUBSCRIPTION),
            sid("SinkSid", "At this sink.", SidKind.SINK),
            choice("Outcome", "That ended so; `failed`: in any way but delivered.", _CLOSED_SETS["Outcome"]),
            choice("Reason", "For this reason.", dict.fromkeys(_CLOSED_SETS["Reason"])),
            moment("After", "That began at this time or later."),
            moment("Before", "That began sooner than this."),
        ),
        answer=Listed("attempts", Attempt, also={"lag": Lag}),
    ),
)
