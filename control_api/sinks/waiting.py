"""``/v1/Backlog``: what waits for its first attempt, for all subscriptions of the account. An extension of ours."""

from typing import Final

from aiohttp import web

from control_api.delivery_log.answers import show_time
from control_api.http.answers import json_answer
from control_api.http.declared import One, Operation
from control_api.plane import PLANE
from control_api.sinks.backlog import BACKLOGS
from eventstreams.client import flow as models
from eventstreams.http import ACCOUNT

PATH: Final = "/v1/Backlog"


async def fetch(request: web.Request) -> web.Response:
    """Answer with what waits, from Kafka's offsets."""
    plane, account_sid = request.app[PLANE], request[ACCOUNT].sid
    subscriptions = plane.subscriptions_of(account_sid)
    waiting = await request.app[BACKLOGS].of_account(account_sid, subscriptions)
    return json_answer(
        {
            "subscriptions": [
                {
                    "subscription_sid": each.sid,
                    "sink_sid": each.sink_sid,
                    "waiting": waiting[each.sid].events,
                    "oldest_waiting": show_time(waiting[each.sid].oldest_ms),
                }
                for each in subscriptions
            ],
            "url": plane.url(request, PATH),
        }
    )


OPERATIONS: Final = (
    Operation(
        name="FetchBacklog",
        method="GET",
        path=PATH,
        handler=fetch,
        group="Delivery log",
        summary="List waiting events",
        description="The number of events that wait for their first attempt, by subscription. The figures can be "
        "up to 5 s old.",
        answer=One(models.Waiting),
    ),
)
