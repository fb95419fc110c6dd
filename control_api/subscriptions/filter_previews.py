"""``/v1/FilterPreviews``: tries a filter on the account's latest events, or on a sample. Changes nothing."""

import time
from collections import Counter, deque
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import orjson
from aiohttp import web

from control_api.delivery_log.answers import show_time
from control_api.http.answers import json_answer
from control_api.http.codes import Code
from control_api.http.declared import One, Operation, integer, json_text, refused_with, sid
from control_api.http.fair_semaphore import Slices
from control_api.http.forms import Form, read_form_or_json
from control_api.plane import PLANE, ControlPlane
from control_api.redrive.service import REDRIVES, RedriveService
from control_api.subscriptions import resource as subscriptions
from control_api.subscriptions.filters import CHECKER, check_filter, filter_in
from control_api.subscriptions.subscribed_types import parse_types, subscribable
from eventstreams import headers as names
from eventstreams.client.models import FilterPreview
from eventstreams.control.records import SubscribedType
from eventstreams.errors import InvalidEventError
from eventstreams.events import Event
from eventstreams.filters import Answer, Filter, FilterInput, Verdict
from eventstreams.headers import event_headers
from eventstreams.http import ACCOUNT, ErrorCode, RefusedError
from eventstreams.kafka.ranges import RangeReader
from eventstreams.sids import SidKind
from eventstreams.times import from_ms, parse_rfc3339

PATH: Final = "/v1/FilterPreviews"
_KNOWN: Final = frozenset({"Filter", "Types", "SubscriptionSid", "Event", "Count"})
_LOOKED_AT: Final = 20_000  # newest records of the events topic, of all accounts: a second's work or less
_READ: Final = 200  # records
_READ_S: Final = 10.0
_SHOWN: Final = 20
_MOST_SHOWN: Final = 100
_MAX_DIGITS: Final = 9
_SAMPLE: Final = 'an event is a JSON object such as {"type": "com.…", "data": {…}}'
_TEXTS: Final = ("id", "source", "subject", "time")

_EVENT: Final = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("type", "id", "source", "subject")},
        "time": {"type": "string", "format": "date-time"},
        "data": {"type": "object"},
    },
    "required": ["type", "data"],
}


@dataclass(slots=True)
class _Preview:
    """The judged events: the newest ones to show, and the number of each verdict."""

    shown: deque[tuple[int, Mapping[str, object]]]
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    complete: bool = True

    def add(self, headers: Mapping[str, bytes], accepted_ms: int, answer: Answer) -> None:
        self.verdicts[answer.verdict] += 1
        shown = {
            "id": headers.get(names.ID, b"").decode(errors="replace"),
            "type": headers.get(names.TYPE, b"").decode(errors="replace"),
            "accepted_at": show_time(accepted_ms),
            "verdict": answer.verdict,
            "detail": answer.detail or None,
        }
        self.shown.append((accepted_ms, shown))


async def create(request: web.Request) -> web.Response:
    """Try ``Filter`` on ``Event``, or on the account's recent events."""
    form = await read_form_or_json(request)
    if others := sorted({name for name, _ in form.fields} - _KNOWN):
        raise RefusedError(
            f"{others[0][:100]} is not a parameter of this operation: it has {', '.join(sorted(_KNOWN))}"
        )
    form.required("Filter")
    plane, sample, count = request.app[PLANE], _sample(request, form), _count(form)
    types = _types(request, form, sample)
    text = check_filter(request, filter_in(form), types)
    made = None if text is None else request.app[CHECKER].check(text, types)
    versions = {each.type: each.schema_version for each in types}
    if sample is None:
        accounts = _accounts(request, form)
        preview = await _latest(request.app[REDRIVES], request[ACCOUNT].sid, accounts, made, versions, count)
    else:
        preview = _of_sample(plane, request.app[REDRIVES], sample, made, versions)
    newest_first = sorted(preview.shown, key=lambda each: each[0], reverse=True)
    return json_answer(
        {
            "filter": text,
            "types": [{"type": each.type, "schema_version": each.schema_version} for each in types],
            "verdicts": {verdict.value: preview.verdicts[verdict] for verdict in Verdict},
            "delivered": sum(preview.verdicts[verdict] for verdict in Verdict if verdict.delivers),
            "events": [shown for _, shown in newest_first[:count]],
            "complete": preview.complete,
        }
    )


def _accounts(request: web.Request, form: Form) -> Container[str]:
    """The accounts whose events are read: the account, and its subaccounts if the subscription receives theirs."""
    plane, account_sid = request.app[PLANE], request[ACCOUNT].sid
    named = form.all("SubscriptionSid")
    subscription = plane.subscription_of(account_sid, named[-1]) if named else None
    return {account_sid} if subscription is None else plane.feed.snapshot.accounts_for(subscription)


def _judge(made: Filter | None, reading: FilterInput, versions: Mapping[str, int]) -> Answer:
    event_type = reading.headers.get(names.TYPE, b"").decode(errors="replace")
    return (
        Answer(Verdict.TAKEN) if made is None else made.ask(reading.headers, lambda: reading.data(versions[event_type]))
    )


async def _latest(
    redrives: RedriveService,
    account_sid: str,
    accounts: Container[str],
    made: Filter | None,
    versions: Mapping[str, int],
    count: int,
) -> _Preview:
    """Judge the events of ``accounts`` with these types, among the newest of all accounts, for ``account_sid``."""
    found = await redrives.admin.ranges([redrives.topics.events])
    share = _LOOKED_AT // max(len(found), 1)
    parts = [replace(each, first=max(each.first, each.end - share)) for each in found]
    # Only within a partition are events in order: so keep as many of each as are shown.
    kept: dict[int, _Preview] = {}
    verdicts: Counter[Verdict] = Counter()
    readable = [each for each in parts if each.records]
    async with redrives.reading.slot(account_sid), RangeReader(redrives.settings, readable) as reader:
        deadline, slices = time.monotonic() + _READ_S, Slices()
        while not reader.ended and time.monotonic() < deadline:
            for record in await reader.read(_READ):
                await slices.pause()
                headers = dict(record.headers)
                if not _wanted(headers, accounts, versions):
                    continue
                preview = kept.setdefault(record.partition, _Preview(deque(maxlen=count), verdicts))
                reading = FilterInput(headers, record.value, redrives.codec)
                preview.add(headers, record.timestamp_ms, _judge(made, reading, versions))
        ended = reader.ended
    whole = all(now.first == before.first for now, before in zip(parts, found, strict=True))
    shown = deque(each for preview in kept.values() for each in preview.shown)
    return _Preview(shown, verdicts, complete=ended and whole)


def _wanted(headers: Mapping[str, bytes], accounts: Container[str], versions: Mapping[str, int]) -> bool:
    return (
        headers.get(names.ACCOUNT, b"").decode(errors="replace") in accounts
        and headers.get(names.TYPE, b"").decode(errors="replace") in versions
        and names.missing(headers) is None
    )


def _of_sample(
    plane: ControlPlane, redrives: RedriveService, sample: Event, made: Filter | None, versions: Mapping[str, int]
) -> _Preview:
    """Judge the sample, encoded like a producer's event and read like a subscriber's."""
    schema = plane.catalog.newest_schema(sample.type)
    assert schema is not None  # its type can be subscribed to
    try:
        value = redrives.codec.encode(schema, sample.data)
    except InvalidEventError as error:
        raise RefusedError(f"Event: {error}") from None
    headers = dict(event_headers(sample, dataschema=redrives.codec.dataschema(schema)))
    preview = _Preview(deque())
    preview.add(headers, plane.clock(), _judge(made, FilterInput(headers, value, redrives.codec), versions))
    return preview


def _types(request: web.Request, form: Form, sample: Event | None) -> Sequence[SubscribedType]:
    """The types in the form: those of a subscription, those listed, or that of the sample."""
    plane, sid, listed = request.app[PLANE], form.all("SubscriptionSid"), form.all("Types")
    if sid and listed:
        raise RefusedError("Name Types or a SubscriptionSid, not both")
    if sid:
        subscription = plane.subscription_of(request[ACCOUNT].sid, sid[-1])
        if subscription is None:
            raise RefusedError(f"Subscription {sid[-1][:40]} was not found", status=404)
        types: Sequence[SubscribedType] = subscription.types
    elif listed:
        types = parse_types(listed, plane.catalog, sink_type="")
    elif sample is not None:
        types = (subscribable(sample.type, None, plane.catalog, sink_type=""),)
    else:
        raise RefusedError("Name Types or a SubscriptionSid, or give an Event")
    if sample is not None and sample.type not in {each.type for each in types}:
        raise RefusedError(f"Event is of type {sample.type[:200]}, which is not among the types")
    return types


def _count(form: Form) -> int:
    text = (form.all("Count") or (str(_SHOWN),))[-1].strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS) or not 1 <= int(text) <= _MOST_SHOWN:
        raise RefusedError(f"Count, the number of events shown, must be an integer from 1 to {_MOST_SHOWN}")
    return int(text)


def _sample(request: web.Request, form: Form) -> Event | None:
    """The ``Event`` in the form, with defaults for what it leaves out; None if there is none."""
    if not (values := form.all("Event")):
        return None
    try:
        given = orjson.loads(values[-1])
    except orjson.JSONDecodeError:
        raise RefusedError(f"Event is not JSON: {_SAMPLE}") from None
    if not isinstance(given, dict) or not isinstance(given.get("type"), str) or not isinstance(given.get("data"), dict):
        raise RefusedError(f"Event has no type or no data: {_SAMPLE}")
    for name in _TEXTS:
        if not isinstance(given.get(name, ""), str):
            raise RefusedError(f"{name} of Event must be a string")
    plane = request.app[PLANE]
    try:
        at = parse_rfc3339(given["time"]) if "time" in given else from_ms(plane.clock())
    except (ValueError, OverflowError):
        raise RefusedError("time of Event must be like 2026-03-29T04:00:00Z") from None
    return Event(
        id=given.get("id") or "sample",
        type=given["type"],
        source=given.get("source") or "sample",
        account_sid=request[ACCOUNT].sid,
        data=given["data"],
        subject=given.get("subject"),
        time=at,
    )


OPERATIONS: Final = (
    Operation(
        name="CreateFilterPreview",
        method="POST",
        path=PATH,
        handler=create,
        group=subscriptions.GROUP,
        summary="Preview a filter",
        description="Applies the filter to the account's latest events, or to a sample. Changes nothing.",
        form=(
            subscriptions.FILTER.needed,
            subscriptions.TYPES,
            sid(
                "SubscriptionSid",
                "Use the event types of this subscription, in place of `Types`.",
                SidKind.SUBSCRIPTION,
            ),
            json_text("Event", "A sample event.", _EVENT),
            integer("Count", "How many events to show.", least=1, most=_MOST_SHOWN, default=_SHOWN),
        ),
        answer=One(FilterPreview),
        refusals=refused_with(
            Code.BAD_FILTER,
            Code.EVENT_TYPE_NOT_FOUND,
            Code.SUBSCRIPTION_NOT_CREATED,
            ErrorCode.CONFLICT,
            ErrorCode.NOT_FOUND,
        ),
    ),
)
