"""``/v1/Events``: the accepted events, newest first. An extension of ours."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from aiohttp import web

from control_api.delivery_log.answers import NO_LOG, show_lag, show_time, using_log, utf8
from control_api.delivery_log.delivery_status import Counts
from control_api.delivery_log.events import PATH
from control_api.delivery_log.pages import mark_in, page_of, time_in
from control_api.delivery_log.store import AcceptedEvent, EventQuery
from control_api.http.answers import json_answer
from control_api.http.declared import Listed, Operation, moment, text
from control_api.http.paging import PageQuery, envelope
from control_api.plane import PLANE
from eventstreams.client import flow as models
from eventstreams.client.models import Lag
from eventstreams.http import ACCOUNT

_FILTERS: Final = ("Type", "After", "Before")


async def list_all(request: web.Request) -> web.Response:
    """List the account's events, whether or not a subscription matches them."""
    query = PageQuery.parse(request.query)
    filters = {name: request.query[name] for name in _FILTERS if name in request.query}
    mark = mark_in(request, query)
    wanted = EventQuery(
        account_sid=request[ACCOUNT].sid,
        type=utf8(filters["Type"]) if "Type" in filters else None,
        from_ms=time_in(filters, "After") or 0,
        before_ms=time_in(filters, "Before"),
        mark=mark,
        newer=query.backwards,
        skip=0 if mark is not None else query.number * query.size,
        limit=query.size + 1,  # one more, to know whether there is another page
    )
    with using_log(request) as service:
        found, lag = await service.log.events(wanted), service.log.lag
        counts = await service.counts(wanted.account_sid, found)
    url = request.app[PLANE].url(request, PATH)
    answer = envelope(
        page_of(request, found, query),
        query,
        key="events",
        url=url,
        filters=filters,
        show=lambda event: _show(event, counts[event.id]),
    )
    return json_answer({**answer, "lag": show_lag(lag)})


def _show(event: AcceptedEvent, counts: Counts) -> Mapping[str, object]:
    return {
        "id": event.id,
        "account_sid": event.account_sid,
        "type": event.type,
        "time": event.time,
        "accepted_at": show_time(event.accepted_ms),
        "deliveries": asdict(counts),
    }


OPERATIONS: Final = (
    Operation(
        name="ListEvent",
        method="GET",
        path=PATH,
        handler=list_all,
        group="Delivery log",
        summary="List accepted events",
        description="Newest first, without their data, whether or not a subscription matches them. `deliveries` "
        "counts the matching subscriptions by what became of the event there.",
        query=(
            text("Type", "Only events of this type."),
            moment("After", "Only those accepted at this time or later."),
            moment("Before", "Only those accepted before this time."),
        ),
        answer=Listed("events", models.Event, also={"lag": Lag}),
        refusals=NO_LOG,
    ),
)
