"""``/v1/Subscriptions/{Sid}/RetrySchedule``: when an event that is accepted now would be tried. An extension."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from aiohttp import web

from control_api.delivery_log.answers import show_time
from control_api.http.answers import json_answer
from control_api.http.declared import One, Operation
from control_api.plane import PLANE
from control_api.redrive.service import REDRIVES
from control_api.subscriptions import resource as subscriptions
from eventstreams.client.models import RetrySchedule

PATH: Final = f"{subscriptions.PATH}/{{sid}}/RetrySchedule"
_MOST_SHOWN: Final = 100  # with the default delays, there are some twenty in four hours


@dataclass(frozen=True, slots=True)
class Planned:
    """One planned attempt. Times are in ms after the event was accepted.

    Attributes:
        attempt: Its number, from 1.
        latest_ms: When it is made if every wait is as long as possible.
        expected_ms: When it is made if every wait is half as long, which is the average.
        longest_wait_ms: The longest wait after the previous attempt.
    """

    attempt: int
    latest_ms: int
    expected_ms: int
    longest_wait_ms: int


def schedule(delays: Sequence[timedelta], *, ttl_ms: int, max_attempts: int | None = None) -> Sequence[Planned]:
    """The attempts that are expected before the deadline, at most ``_MOST_SHOWN``.

    Args:
        delays: The longest wait after the first, second, … attempt; the last one repeats.
        ttl_ms: The time until the deadline.
        max_attempts: The subscription's limit; None: unlimited.
    """
    planned = [Planned(1, 0, 0, 0)]
    while len(planned) < min(_MOST_SHOWN, max_attempts or _MOST_SHOWN):
        last = planned[-1]
        longest = delays[min(last.attempt, len(delays)) - 1] // timedelta(milliseconds=1)
        expected = last.expected_ms + longest // 2
        if expected >= ttl_ms:
            break
        planned.append(Planned(last.attempt + 1, min(last.latest_ms + longest, ttl_ms), expected, longest))
    return planned


async def fetch(request: web.Request) -> web.Response:
    """Answer with the attempts of an event whose attempts all fail."""
    plane, settings = request.app[PLANE], request.app[REDRIVES].settings
    subscription = subscriptions.find(request)
    now_ms = plane.clock()
    ttl_ms = subscription.lives_ms(int(plane.ttl.total_seconds() * 1000))
    delays = subscription.retry_delays or settings.retry_delays
    planned = schedule(delays, ttl_ms=ttl_ms, max_attempts=subscription.max_attempts)
    return json_answer(
        {
            "account_sid": subscription.account_sid,
            "subscription_sid": subscription.sid,
            "accepted_at": show_time(now_ms),
            "deadline": show_time(now_ms + ttl_ms),
            "ttl": ttl_ms / 1000,
            "attempts": [
                {
                    "attempt": each.attempt,
                    "longest_wait": each.longest_wait_ms / 1000,
                    "expected_at": show_time(now_ms + each.expected_ms),
                    "latest_at": show_time(now_ms + each.latest_ms),
                }
                for each in planned
            ],
            "max_attempts": subscription.max_attempts,
            "complete": len(planned) < _MOST_SHOWN or len(planned) == subscription.max_attempts,
            "url": plane.url(request, f"{subscriptions.PATH}/{subscription.sid}/RetrySchedule"),
        }
    )


OPERATIONS: Final = (
    Operation(
        name="FetchRetrySchedule",
        method="GET",
        path=PATH,
        handler=fetch,
        group=subscriptions.GROUP,
        summary="Preview the retry schedule",
        description="The attempts for an event that is accepted now and always fails.",
        names=(subscriptions.SID,),
        answer=One(RetrySchedule),
    ),
)
