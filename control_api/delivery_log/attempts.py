"""``/v1/Attempts``: the attempts, newest first. An extension: the reference has nothing like it."""

from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web

from control_api.delivery_log.answers import NO_LOG, show_lag, show_time, using_log, utf8
from control_api.delivery_log.pages import mark_in, page_of, time_in
from control_api.delivery_log.store import EntryQuery, LoggedEntry, Mark
from control_api.http.answers import json_answer
from control_api.http.declared import Listed, Operation, choice, moment, sid, text
from control_api.http.paging import PageQuery, envelope
from control_api.plane import PLANE
from eventstreams.attempts import EntryKind
from eventstreams.client.models import Attempt, Lag
from eventstreams.http import ACCOUNT, CASE_COUNTS, RefusedError
from eventstreams.reasons import DeadReason, RetryReason
from eventstreams.sids import SidKind, has_capitals, is_sid

PATH: Final = "/v1/Attempts"
_FAILED: Final = "failed"
_FILTERS: Final = ("EventId", "SubscriptionSid", "SinkSid", "Outcome", "Reason", "After", "Before")
_CLOSED_SETS: Final[Mapping[str, Sequence[str]]] = {
    "Outcome": (*EntryKind, _FAILED),
    "Reason": (*RetryReason, *DeadReason),
}
_SIDS: Final = {"SubscriptionSid": SidKind.SUBSCRIPTION, "SinkSid": SidKind.SINK}


async def list_all(request: web.Request) -> web.Response:
    """List the account's attempts, with filters; the failures since a time are ``Outcome=failed&After=…``."""
    query = PageQuery.parse(request.query)
    filters = {name: request.query[name] for name in _FILTERS if name in request.query}
    wanted = _entry_query(request[ACCOUNT].sid, filters, query, mark_in(request, query))
    with using_log(request) as service:
        found, lag = await service.log.entries(wanted), service.log.lag
    url = request.app[PLANE].url(request, PATH)
    page = page_of(request, found, query)
    answer = envelope(page, query, key="attempts", url=url, filters=filters, show=show)
    return json_answer({**answer, "lag": show_lag(lag)})


def show(logged: LoggedEntry) -> Mapping[str, object]:
    """One entry as the API shows it."""
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


def _entry_query(account_sid: str, filters: Mapping[str, str], query: PageQuery, mark: Mark | None) -> EntryQuery:
    """The query for the log.

    Raises:
        RefusedError: 400: a filter or a paging parameter is invalid; says what is expected.
    """
    for name, values in _CLOSED_SETS.items():
        if name in filters and filters[name] not in values:
            raise RefusedError(f"{name} must be one of {', '.join(values)}")
    for name, kind in _SIDS.items():
        if name in filters and not is_sid(filters[name], kind):
            raise RefusedError(f"{name} is malformed: it is {kind} and 32 hexadecimal digits")
        if name in filters and has_capitals(filters[name]):
            raise RefusedError(f"{name} is malformed: {CASE_COUNTS}")
    outcome = filters.get("Outcome")
    return EntryQuery(
        account_sid=account_sid,
        event_id=utf8(filters["EventId"]) if "EventId" in filters else None,
        subscription_sid=filters.get("SubscriptionSid"),
        sink_sid=filters.get("SinkSid"),
        kind=None if outcome == _FAILED else outcome,
        failed=outcome is not None and outcome not in {EntryKind.DELIVERED, EntryKind.REDRIVEN},
        reason=filters.get("Reason"),
        from_ms=time_in(filters, "After") or 0,
        before_ms=time_in(filters, "Before"),
        mark=mark,
        newer=query.backwards,
        skip=0 if mark is not None else query.number * query.size,
        limit=query.size + 1,  # one more, to know whether there is another page
    )


OPERATIONS: Final = (
    Operation(
        name="ListAttempt",
        method="GET",
        path=PATH,
        handler=list_all,
        group="Delivery log",
        summary="List delivery attempts",
        description="Newest first. For the failures of the last hour use `Outcome=failed&After=…`.",
        query=(
            text("EventId", "Only attempts for this event."),
            sid("SubscriptionSid", "Only attempts for this subscription.", SidKind.SUBSCRIPTION),
            sid("SinkSid", "Only attempts at this sink.", SidKind.SINK),
            choice("Outcome", "Only attempts with this outcome; `failed`: any but delivered.", _CLOSED_SETS["Outcome"]),
            choice("Reason", "Only attempts with this reason.", dict.fromkeys(_CLOSED_SETS["Reason"])),
            moment("After", "Only attempts that began at this time or later."),
            moment("Before", "Only attempts that began before this time."),
        ),
        answer=Listed("attempts", Attempt, also={"lag": Lag}),
        refusals=NO_LOG,
    ),
)
