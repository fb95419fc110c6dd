"""``/v1/Sinks/{Sid}/Health``: whether a sink takes its events, else since when and why, and what waits. An extension.

A sink's gate is in the workers' memory. The API concludes its state from the attempts in the delivery log.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from aiohttp import web

from control_api.delivery_log.answers import NO_LOG, show_lag, show_time, using_log
from control_api.delivery_log.log import DeliveryLog
from control_api.delivery_log.store import EntryQuery
from control_api.http.answers import json_answer
from control_api.http.declared import One, Operation
from control_api.plane import PLANE
from control_api.sinks import resource as sinks
from control_api.sinks.backlog import BACKLOGS
from eventstreams.attempts import Entry, EntryKind
from eventstreams.client.models import SinkHealthReport
from eventstreams.client.values import SinkHealth
from eventstreams.control.records import SinkRecord, Subscription

PATH: Final = f"{sinks.PATH}/{{sid}}/Health"
_LOOKED_AT: Final = 100  # newest entries of the sink that are considered
_BROKEN: Final = 10  # failures in a row after which workers hold events back and probe with one: ADR 0007
_ATTEMPTS: Final = frozenset({EntryKind.DELIVERED, EntryKind.RETRY_LATER, EntryKind.REJECTED})


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits on one subscription's topic for its first attempt: see ``Waiting``."""

    subscription: Subscription
    events: int
    oldest_ms: int | None


@dataclass(frozen=True, slots=True)
class History:
    """The log's entries of a sink.

    Attributes:
        attempts: The newest attempts, newest first.
        delivered: The last delivery.
        failed: The last failure.
    """

    attempts: Sequence[Entry]
    delivered: Entry | None
    failed: Entry | None

    @property
    def answered(self) -> Sequence[Entry]:
        """The latest attempts in a row that were delivered or refused for good, newest first."""
        return list(takewhile(lambda each: each.kind != EntryKind.RETRY_LATER, self.attempts))

    @property
    def failures(self) -> Sequence[Entry]:
        return list(takewhile(lambda each: each.kind == EntryKind.RETRY_LATER, self.attempts))


def judge(history: History, *, paused: bool) -> SinkHealth:
    if paused:
        return SinkHealth.PAUSED
    if not history.attempts:
        return SinkHealth.SILENT
    failures = len(history.failures)
    if failures >= _BROKEN:
        return SinkHealth.BROKEN
    return SinkHealth.FAILING if failures else SinkHealth.WORKING


def in_words(health: SinkHealth, history: History, backlog: Sequence[Backlog]) -> str:
    """A summary in one or two sentences, for the sink's owner."""
    events = sum(each.events for each in backlog)
    oldest_ms = min((each.oldest_ms for each in backlog if each.oldest_ms is not None), default=None)
    since = "" if oldest_ms is None else f", the oldest accepted at {show_time(oldest_ms)}"
    waits = " Nothing is waiting for a first attempt."
    if events:
        counted = "1 event is waiting for its" if events == 1 else f"{events} events are waiting for their"
        waits = f" {counted} first attempt{since}."
    match health:
        case SinkHealth.PAUSED:
            return f"It is paused: its events wait until it is resumed or their deadlines pass.{waits}"
        case SinkHealth.SILENT:
            return f"The delivery log knows of no attempts.{waits}"
        case SinkHealth.WORKING:
            return f"{_answers(history)}{waits}"
        case SinkHealth.FAILING | SinkHealth.BROKEN:
            last, count = history.failures[0], len(history.failures)
            times = (
                "The last attempt"
                if count == 1
                else f"The last {count}{'' if count < _LOOKED_AT else ' or more'} attempts"
            )
            held = " It is now tried with single events at growing intervals." if health is SinkHealth.BROKEN else ""
            return f"{times} failed: {last.reason}{f' ({last.detail})' if last.detail else ''}.{held}{waits}"


def _answers(history: History) -> str:
    """A sentence about a sink that answers, which it does even if it refuses all events."""
    refused = [each for each in history.answered if each.kind == EntryKind.REJECTED]
    if not refused:
        return "It accepts events."
    why = f" ({refused[0].detail})" if refused[0].detail else ""
    tried = len(history.answered)
    which = "the last event" if tried == 1 else f"{len(refused)} of the last {tried} events"
    return f"It answers, but permanently refused {which}{why}: see the dead letters."


async def fetch(request: web.Request) -> web.Response:
    """Answer with the sink's health."""
    plane, sink = request.app[PLANE], sinks.find(request)
    with using_log(request) as log_service:
        lag, history = log_service.log.lag, await _history(log_service.log, sink)
    subscriptions = [each for each in plane.subscriptions_of(sink.account_sid) if each.sink_sid == sink.sid]
    waiting = await request.app[BACKLOGS].of(sink, subscriptions)
    backlog = [Backlog(each, waiting[each.sid].events, waiting[each.sid].oldest_ms) for each in subscriptions]
    health = judge(history, paused=sink.paused)
    failures = history.failures
    return json_answer(
        {
            "sink_sid": sink.sid,
            "state": health,
            "summary": in_words(health, history, backlog),
            "paused": sink.paused,
            "failures_in_a_row": len(failures),
            "failing_since": show_time(failures[-1].at_ms) if failures else None,
            "last_delivered_at": None if history.delivered is None else show_time(history.delivered.at_ms),
            "last_error": _show_error(history.failed),
            "waiting": sum(each.events for each in backlog),
            "oldest_waiting": show_time(min((each.oldest_ms for each in backlog if each.oldest_ms), default=None)),
            "subscriptions": [
                {
                    "subscription_sid": each.subscription.sid,
                    "paused": each.subscription.paused,
                    "waiting": each.events,
                    "oldest_waiting": show_time(each.oldest_ms),
                }
                for each in backlog
            ],
            "lag": show_lag(lag),
            "url": plane.url(request, f"{sinks.PATH}/{sink.sid}/Health"),
        }
    )


async def _history(log: DeliveryLog, sink: SinkRecord) -> History:
    def query(*, limit: int = 1, kind: str | None = None, failed: bool = False) -> EntryQuery:
        return EntryQuery(account_sid=sink.account_sid, sink_sid=sink.sid, kind=kind, failed=failed, limit=limit)

    newest = [each.entry for each in await log.entries(query(limit=_LOOKED_AT))]
    delivered = await log.entries(query(kind=EntryKind.DELIVERED.value))
    failed = await log.entries(query(failed=True))
    return History(
        [each for each in newest if each.kind in _ATTEMPTS],
        delivered[0].entry if delivered else None,
        failed[0].entry if failed else None,
    )


def _show_error(entry: Entry | None) -> Mapping[str, object] | None:
    if entry is None:
        return None
    return {
        "at": show_time(entry.at_ms),
        "outcome": entry.kind,
        "event_id": entry.event_id,
        "subscription_sid": entry.subscription_sid or None,
        "attempt": entry.attempt,
        "reason": entry.reason,
        "code": entry.code,
        "status": entry.status,
        "detail": entry.detail,
        "answer": entry.answer,
        "next_try_at": None if entry.next_at_ms == entry.deadline_ms else show_time(entry.next_at_ms),
    }


OPERATIONS: Final = (
    Operation(
        name="FetchSinkHealth",
        method="GET",
        path=PATH,
        handler=fetch,
        group=sinks.GROUP,
        summary="Fetch a sink's health",
        description="Its state, a description of its last error, and what is waiting. Requires the delivery log.",
        names=(sinks.SID,),
        answer=One(SinkHealthReport),
        refusals=(*sinks.NO_SID, *NO_LOG),
    ),
)
