"""``/v1/Events/{Id}``: where an event is now, why, and when it is tried next. An extension of ours."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from control_api.delivery_log import attempts
from control_api.delivery_log.answers import NO_LOG, show_lag, show_time, using_log, utf8
from control_api.delivery_log.delivery_status import DeliveryStatus
from control_api.delivery_log.service import Found
from control_api.delivery_log.store import Lag
from control_api.http.answers import json_answer
from control_api.http.declared import One, Operation, text
from control_api.plane import PLANE
from eventstreams.client.models import EventTimeline
from eventstreams.http import ACCOUNT, RefusedError

PATH: Final = "/v1/Events"
_MOST_SHOWN: Final = 100


async def fetch(request: web.Request) -> web.Response:
    """Answer with the event and its delivery to each subscription that it is for."""
    event_id, account_sid = utf8(request.match_info["id"]), request[ACCOUNT].sid
    with using_log(request) as service:
        lag = service.log.lag  # read first, so that what is found is at least as new
        found = await service.find(account_sid, event_id)
    if found is None:
        raise _unknown(event_id, lag)
    url = request.app[PLANE].url(request, "")
    return json_answer(
        {
            "id": event_id,
            "account_sid": account_sid if found.event is None else found.event.account_sid,
            **_acceptance(found, request.app[PLANE].topics.events),
            "deliveries": [_show(each, f"{url}{attempts.PATH}", event_id) for each in found.deliveries],
            "lag": show_lag(lag),
            "url": f"{url}{request.rel_url.raw_path}",
        }
    )


def _acceptance(found: Found, topic: str) -> Mapping[str, object]:
    event = found.event
    if event is None:  # its record is older than the log, or was not readable; its attempts have part of it
        entry = found.entries[0].entry
        return {
            "type": entry.event_type,
            "time": None,
            "accepted_at": show_time(entry.accepted_ms),
            "topic": None,
            "partition": None,
            "offset": None,
        }
    return {
        "type": event.type,
        "time": event.time,
        "accepted_at": show_time(event.accepted_ms),
        "topic": topic,
        "partition": event.partition,
        "offset": event.offset,
    }


def _show(found: DeliveryStatus, attempts_url: str, event_id: str) -> Mapping[str, object]:
    last, place, kept_back = found.last, found.place, found.kept_back
    filters = {"EventId": event_id}
    if found.subscription_sid:
        filters["SubscriptionSid"] = found.subscription_sid
    elif found.sink_sid:
        filters["SinkSid"] = found.sink_sid
    return {
        "subscription_sid": found.subscription_sid or None,
        "sink_sid": found.sink_sid,
        "state": found.state,
        "paused": found.paused,
        "topic": None if place is None else place.topic,
        "partition": None if place is None else place.partition,
        "offset": None if place is None else place.offset,
        "attempts": found.attempts,
        "last_at": None if last is None else show_time(last.at_ms),
        "reason": kept_back.verdict if kept_back is not None else None if last is None else last.reason,
        "code": None if last is None else last.code,
        "status": None if last is None else last.status,
        "detail": kept_back.detail or None if kept_back is not None else None if last is None else last.detail,
        "answer": None if last is None else last.answer,
        "next_try_at": show_time(found.next_try_ms),
        "deadline": show_time(found.deadline_ms),
        "links": {"attempts": f"{attempts_url}?{urlencode(filters)}"},
    }


def _unknown(event_id: str, lag: Lag | None) -> RefusedError:
    """A 404 that says how far the log has read, so that the client knows whether to ask again."""
    shown = event_id if len(event_id) <= _MOST_SHOWN else f"{event_id[:_MOST_SHOWN]}…"
    if lag is None or lag.read_until_ms is None:
        read = "and how far the log has read is not known right now: try again"
    elif lag.records:
        read = f"which has read up to {show_time(lag.read_until_ms)} and has {lag.records} records to go: try again"
    else:
        read = f"which is current as of {show_time(lag.read_until_ms)}"
    return RefusedError(
        f"Event {shown} is not in the delivery log, {read}",
        status=HTTPStatus.NOT_FOUND,
        details={"lag": show_lag(lag), "read_until": None if lag is None else show_time(lag.read_until_ms)},
    )


OPERATIONS: Final = (
    Operation(
        name="FetchEvent",
        method="GET",
        path=f"{PATH}/{{id}}",
        handler=fetch,
        group="Delivery log",
        summary="Fetch the state of an event",
        description="For each matching subscription: where the event is, why, and when it is tried next.",
        names=(text("id", "Id of an event."),),
        answer=One(EventTimeline),
        refusals=NO_LOG,
    ),
)
