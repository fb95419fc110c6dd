"""``/v1/Sinks/{Sid}/Delivery`` and ``/v1/Subscriptions/{Sid}/Delivery``: settings of delivery. An extension.

Pause, rate limit, throttle; time to live, filter, retries, partitions. While a sink or a subscription is paused, its
events wait until their deadlines.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar

from aiohttp import web

from control_api.http.answers import json_answer
from control_api.http.codes import Code
from control_api.http.declared import One, Operation, any_of, choice, flag, refused_with, text
from control_api.http.forms import Form, boolean, read_form_or_json
from control_api.plane import PLANE, ControlPlane
from control_api.redrive.service import REDRIVES
from control_api.sinks import resource as sinks
from control_api.subscriptions import resource as subscriptions
from control_api.subscriptions import retries
from control_api.subscriptions.filters import filter_in, with_filter
from control_api.subscriptions.topics import partitions_in
from control_api.topics.budget import check_budget
from eventstreams.client.models import SinkDelivery, SubscriptionDelivery
from eventstreams.control.records import SinkRecord, Subscription, Throttle
from eventstreams.durations import format_duration, parse_duration
from eventstreams.http import RefusedError

SINK_PATH: Final = f"{sinks.PATH}/{{sid}}/Delivery"
SUBSCRIPTION_PATH: Final = f"{subscriptions.PATH}/{{sid}}/Delivery"
_LEAST_RATE: Final = 0.001  # an event every quarter of an hour: less would be a pause
_MOST_RATE: Final = 1_000_000.0
_LEAST_TTL: Final = timedelta(seconds=1)

T = TypeVar("T")


async def fetch_sink(request: web.Request) -> web.Response:
    """Answer with a sink's delivery settings."""
    return json_answer(_show_sink(request.app[PLANE], request, sinks.find(request)))


async def update_sink(request: web.Request) -> web.Response:
    """Change ``Paused``, ``RateLimit`` or ``Throttle``; the rest stays. Takes effect within seconds."""
    plane, form = request.app[PLANE], await read_form_or_json(request)
    paused = _given(form, "Paused", partial(boolean, "Paused"))
    rate_limit = _given(form, "RateLimit", _rate)
    throttle = _given(form, "Throttle", _throttle)
    _refuse_others(form, {"Paused", "RateLimit", "Throttle"})
    async with plane.writing:
        sink = sinks.find(request)
        changed = replace(
            sink,
            paused=sink.paused if paused is None else paused[0],
            rate_limit=sink.rate_limit if rate_limit is None else rate_limit[0],
            throttle=sink.throttle if throttle is None else throttle[0],
        )
        if changed != sink:
            changed = replace(changed, updated_ms=plane.clock())
            await plane.writer.put(changed)
    return json_answer(_show_sink(plane, request, changed))


async def fetch_subscription(request: web.Request) -> web.Response:
    """Answer with a subscription's delivery settings."""
    return json_answer(_show_subscription(request.app[PLANE], request, subscriptions.find(request)))


async def update_subscription(request: web.Request) -> web.Response:
    """Change the given settings; the rest stays.

    A ttl applies to events that are accepted from now on, a filter to events that are routed from now on, retries to
    attempts that fail from now on. The topic gets its partitions before the subscription shows them.
    """
    plane, form = request.app[PLANE], await read_form_or_json(request)
    paused = _given(form, "Paused", partial(boolean, "Paused"))
    ttl_ms = _given(form, "Ttl", lambda text: _ttl_ms(text, plane.ttl))
    delays = _given_all(form, "RetryDelays", lambda text: retries.delays_ms(text, plane.ttl))
    attempts = _given(form, "MaxAttempts", retries.max_attempts)
    most = request.app[REDRIVES].settings.most_subscription_partitions
    partitions = _given(form, "Partitions", lambda text: partitions_in(text, most))
    text = filter_in(form)
    _refuse_others(form, {"Paused", "Ttl", "Filter", "RetryDelays", "MaxAttempts", "Partitions"})
    grown: AbstractAsyncContextManager[None]
    grown = nullcontext() if partitions is None else _grown(plane, subscriptions.find(request), partitions[0])
    async with grown, plane.writing:
        subscription = subscriptions.find(request)
        if partitions is not None:
            _check_grows(subscription, partitions[0])
        changed = replace(
            subscription,
            paused=subscription.paused if paused is None else paused[0],
            ttl_ms=subscription.ttl_ms if ttl_ms is None else ttl_ms[0],
            retry_delays_ms=subscription.retry_delays_ms if delays is None else delays[0],
            max_attempts=subscription.max_attempts if attempts is None else attempts[0],
            partitions=subscription.partitions if partitions is None else partitions[0],
        )
        if text is not None:
            changed = with_filter(request, changed, text)
        if changed != subscription:
            changed = replace(changed, updated_ms=plane.clock())
            await plane.writer.put(changed)
    return json_answer(_show_subscription(plane, request, changed))


@asynccontextmanager
async def _grown(plane: ControlPlane, subscription: Subscription, partitions: int) -> AsyncIterator[None]:
    """Grow the subscription's topic to ``partitions``, before the block that writes the subscription.

    If that write fails or is refused, the topic has more partitions than the subscription shows. Growing is done before
    ``writing`` is held, as it takes Kafka a while. Raises like ``_check_grows`` and ``check_budget``.
    """
    _check_grows(subscription, partitions)
    more = partitions - subscription.partitions
    if not more:
        yield
        return
    check_budget(plane, subscription.account_sid, more=more)
    with plane.maker.growing(subscription.account_sid, more=more):
        spec = plane.topics.subscription_spec(subscription.sink_type, subscription.sid, partitions=partitions)
        await plane.admin.ensure([spec])
        await plane.admin.grow([spec])
        yield


def _check_grows(subscription: Subscription, partitions: int) -> None:
    if partitions < subscription.partitions:
        raise RefusedError(f"Partitions of {subscription.sid} are {subscription.partitions}, and can only be increased")


def _show_sink(plane: ControlPlane, request: web.Request, sink: SinkRecord) -> Mapping[str, object]:
    return {
        "sink_sid": sink.sid,
        "paused": sink.paused,
        "rate_limit": sink.rate_limit,
        "throttle": sink.throttle,
        "url": plane.url(request, f"{sinks.PATH}/{sink.sid}/Delivery"),
    }


def _show_subscription(plane: ControlPlane, request: web.Request, subscription: Subscription) -> Mapping[str, object]:
    ttl_ms = subscription.lives_ms(plane.ttl // timedelta(milliseconds=1))
    delays = subscription.retry_delays or request.app[REDRIVES].settings.retry_delays
    return {
        "account_sid": subscription.account_sid,
        "subscription_sid": subscription.sid,
        "paused": subscription.paused,
        "ttl": ttl_ms / 1000,
        "filter": subscription.filter,
        "retry_delays": [delay.total_seconds() for delay in delays],
        "max_attempts": subscription.max_attempts,
        "partitions": subscription.partitions,
        "url": plane.url(request, f"{subscriptions.PATH}/{subscription.sid}/Delivery"),
    }


def _given(form: Form, name: str, read: Callable[[str], T]) -> tuple[T] | None:
    """The value of ``name`` in a tuple, because it may be None; None if it is not in the form."""
    values = form.all(name)
    return (read(values[-1].strip()),) if values else None


def _given_all(form: Form, name: str, read: Callable[[str], T]) -> tuple[T] | None:
    """Like ``_given``, for a list that is either a repeated field or one text with commas."""
    values = form.all(name)
    return (read(",".join(values).strip()),) if values else None


def _refuse_others(form: Form, known: set[str]) -> None:
    if not form.fields:
        raise RefusedError(f"Missing required parameter: name at least one of {', '.join(sorted(known))}{form.note}")
    form.refuse_others(*known)


def _rate(text: str) -> float | None:
    if not text:
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not _LEAST_RATE <= rate <= _MOST_RATE:  # NaN is refused as well
        raise RefusedError(
            f"RateLimit must be a number of events per second from {_LEAST_RATE:g} to {_MOST_RATE:.0f}, or empty "
            "for no limit"
        )
    return rate


def _throttle(text: str) -> Throttle:
    try:
        return Throttle(text.lower())
    except ValueError:
        raise RefusedError(f"Throttle must be one of {', '.join(Throttle)}") from None


def _ttl_ms(text: str, longest: timedelta) -> int | None:
    if not text:
        return None
    try:
        ttl = timedelta(seconds=int(text)) if text.isdecimal() and len(text) < 10 else parse_duration(text)  # noqa: PLR2004 - far above any ttl, far below timedelta's bound
    except (ValueError, OverflowError):
        ttl = timedelta()
    if not _LEAST_TTL <= ttl <= longest:
        raise RefusedError(
            f"Ttl must be a duration from 1s to {format_duration(longest)}, such as 30m or 1800, or empty for the "
            "maximum"
        )
    return ttl // timedelta(milliseconds=1)


_PAUSED: Final = flag("Paused", "Whether events wait instead of being delivered; their deadlines still apply.")
_RATE: Final = any_of(
    "RateLimit",
    "Events per second; empty: no limit.",
    {"type": "number", "minimum": _LEAST_RATE, "maximum": _MOST_RATE},
    {"const": ""},
)
_TTL: Final = text("Ttl", "How long an event is retried, such as `30m` or `1800`; empty: the maximum.")
_DELAYS: Final = text(
    "RetryDelays",
    "Longest delay after the first, second, … attempt, such as `5s,30s,2m`; empty: the installation's delays.",
).often
_ATTEMPTS: Final = any_of(
    "MaxAttempts",
    "Maximum number of attempts; empty: no limit until the deadline.",
    {"type": "integer", "minimum": 1},
    {"const": ""},
)
OPERATIONS: Final = (
    Operation(
        name="FetchSinkDelivery",
        method="GET",
        path=SINK_PATH,
        handler=fetch_sink,
        group=sinks.GROUP,
        summary="Fetch a sink's delivery settings",
        names=(sinks.SID,),
        answer=One(SinkDelivery),
        refusals=sinks.NO_SID,
    ),
    Operation(
        name="UpdateSinkDelivery",
        method="POST",
        path=SINK_PATH,
        handler=update_sink,
        group=sinks.GROUP,
        summary="Change a sink's delivery settings",
        description="Pause it, or limit its rate. At least one parameter is required; the others stay as they "
        "are. In effect within seconds.",
        names=(sinks.SID,),
        form=(_PAUSED, _RATE, choice("Throttle", "How the sink's own responses slow down deliveries to it.", Throttle)),
        answer=One(SinkDelivery),
        refusals=sinks.NO_SID,
    ),
    Operation(
        name="FetchSubscriptionDelivery",
        method="GET",
        path=SUBSCRIPTION_PATH,
        handler=fetch_subscription,
        group=subscriptions.GROUP,
        summary="Fetch a subscription's delivery settings",
        names=(subscriptions.SID,),
        answer=One(SubscriptionDelivery),
    ),
    Operation(
        name="UpdateSubscriptionDelivery",
        method="POST",
        path=SUBSCRIPTION_PATH,
        handler=update_subscription,
        group=subscriptions.GROUP,
        summary="Change a subscription's delivery settings",
        description="Pause it, filter it or shorten its time to live, for example. At least one parameter is "
        "required; the others stay as they are.",
        names=(subscriptions.SID,),
        form=(_PAUSED, _TTL, subscriptions.FILTER, _DELAYS, _ATTEMPTS, subscriptions.PARTITIONS),
        answer=One(SubscriptionDelivery),
        refusals=refused_with(Code.BAD_FILTER, Code.SUBSCRIPTION_NOT_CREATED),
    ),
)
