"""``/v1/Subscriptions``: create, fetch, list, update, delete."""

from dataclasses import replace
from http import HTTPStatus
from typing import Final

from aiohttp import web

from control_api.http.answers import json_answer, list_answer, timestamp
from control_api.http.codes import Code, refused
from control_api.http.declared import Listed, One, Operation, flag, integer, json_text, refused_with, sid, text
from control_api.http.forms import Form, boolean, read_form
from control_api.plane import MAX_DESCRIPTION, MAX_SUBSCRIPTIONS, MAX_TOPICS, PLANE, ControlPlane
from control_api.redrive.service import REDRIVES
from control_api.subscriptions.filters import check_filter, filter_in, with_filter
from control_api.subscriptions.subscribed_types import parse_types
from control_api.subscriptions.topics import partitions_in
from control_api.topics.budget import check_budget, check_filter_budget
from eventstreams.client import reference as models
from eventstreams.control.filter_room import room_of
from eventstreams.control.records import SinkRecord, SinkStatus, Subscription, SubscriptionState
from eventstreams.http import ACCOUNT, CASE_COUNTS, ErrorCode, RefusedError, not_found, unavailable
from eventstreams.sids import SidKind, has_capitals, is_sid, new_sid

PATH: Final = "/v1/Subscriptions"
_SUBACCOUNTS: Final = "ReceiveEventsFromSubaccounts"


async def create(request: web.Request) -> web.Response:
    """CreateSubscription. The topic exists before the answer, so that no event is copied into the void.

    Everything is checked before the topic is created, as a refused subscription needs none. What others may have
    changed meanwhile is checked again with the turn to write.
    """
    plane, account = request.app[PLANE], request[ACCOUNT]
    wanted = _wanted(request, await read_form(request))
    spec = plane.topics.subscription_spec(wanted.sink_type, wanted.sid, partitions=wanted.partitions)
    async with plane.maker.made(spec, account_sid=account.sid), plane.writing:
        _sink(plane, account.sid, wanted.sink_sid)
        _check_room(plane, account.sid)
        check_filter_budget(plane, account.sid, more=room_of(wanted.filter))
        now_ms = plane.clock()
        subscription = replace(wanted, created_ms=now_ms, updated_ms=now_ms)
        await plane.writer.put(subscription)
    return json_answer(show(plane, request, subscription), status=HTTPStatus.CREATED)


def _wanted(request: web.Request, form: Form) -> Subscription:
    """The subscription that ``form`` asks for, if it can be created now."""
    plane, account = request.app[PLANE], request[ACCOUNT]
    description = _description(form.required("Description"), "created")
    sink_sid, from_subaccounts = form.required("SinkSid"), _from_subaccounts(form)
    partitions, most = form.given("Partitions"), request.app[REDRIVES].settings.most_subscription_partitions
    sink = _sink(plane, account.sid, sink_sid)
    types = parse_types(form.all("Types"), plane.catalog, sink_type=sink.sink_type)
    wanted = 1 if not partitions else partitions_in(partitions, most)
    _check_room(plane, account.sid, coming=plane.maker.under_way(account.sid))
    check_budget(plane, account.sid, more=wanted)
    text = check_filter(request, filter_in(form), types)
    check_filter_budget(plane, account.sid, more=room_of(text))
    now_ms = plane.clock()
    return Subscription(
        sid=new_sid(SidKind.SUBSCRIPTION),
        account_sid=account.sid,
        sink_sid=sink.sid,
        sink_type=sink.sink_type,
        description=description,
        types=types,
        receive_events_from_subaccounts=from_subaccounts or False,
        created_ms=now_ms,
        updated_ms=now_ms,
        filter=text,
        partitions=wanted,
    )


def _check_room(plane: ControlPlane, account_sid: str, *, coming: int = 0) -> None:
    """Raises ``RefusedError`` if the account can have no more; ``coming``: topics that are being created for it."""
    if len(plane.subscriptions_of(account_sid)) >= MAX_SUBSCRIPTIONS:
        raise refused(
            Code.SUBSCRIPTION_NOT_CREATED,
            f"Subscription not created: the account has {MAX_SUBSCRIPTIONS} subscriptions, which is the maximum",
        )
    if plane.topics_of(account_sid) + coming >= MAX_TOPICS:
        raise unavailable("Subscription not created: many others are being created or removed: try again")


async def fetch(request: web.Request) -> web.Response:
    """FetchSubscription."""
    return json_answer(show(request.app[PLANE], request, find(request)))


async def list_all(request: web.Request) -> web.Response:
    """ListSubscription, oldest first; filter ``SinkSid``."""
    plane, account = request.app[PLANE], request[ACCOUNT]
    subscriptions = plane.subscriptions_of(account.sid)
    filters = {name: request.query[name] for name in ("SinkSid",) if name in request.query}
    if "SinkSid" in filters:
        sink_sid = _sink_sid(filters["SinkSid"])
        if has_capitals(sink_sid):  # no SID has any; an empty list would not explain that
            raise refused(Code.BAD_SINK_SID, f"SinkSid is malformed: {CASE_COUNTS}")
        subscriptions = [each for each in subscriptions if each.sink_sid == sink_sid]
    return list_answer(
        request,
        subscriptions,
        key="subscriptions",
        filters=filters,
        position=lambda each: (each.created_ms, each.sid),
        show=lambda each: show(plane, request, each),
    )


async def update(request: web.Request) -> web.Response:
    """UpdateSubscription: changes the description and, as an extension, ``Filter``; the rest stays."""
    plane, form = request.app[PLANE], await read_form(request)
    given, from_subaccounts = form.given("Description"), _from_subaccounts(form)
    description = None if given is None else _description(given, "updated")
    text = filter_in(form)
    async with plane.writing:
        subscription = find(request)
        if form.given("SinkSid") not in {None, subscription.sink_sid}:
            raise RefusedError("SinkSid of a subscription cannot be changed: create another subscription")
        if from_subaccounts not in {None, subscription.receive_events_from_subaccounts}:
            raise RefusedError(f"{_SUBACCOUNTS} cannot be changed: create another subscription")
        changed = subscription if description is None else replace(subscription, description=description)
        if text is not None:
            changed = with_filter(request, changed, text)
        if changed != subscription:
            subscription = replace(changed, updated_ms=plane.clock())
            await plane.writer.put(subscription)
    return json_answer(show(plane, request, subscription))


async def delete(request: web.Request) -> web.Response:
    """DeleteSubscription: it is gone at once for the API and the router; the janitor cleans up what it leaves."""
    plane = request.app[PLANE]
    async with plane.writing:
        subscription = find(request)
        await plane.writer.put(replace(subscription, state=SubscriptionState.DELETING, updated_ms=plane.clock()))
    return web.Response(status=HTTPStatus.NO_CONTENT)


def show(plane: ControlPlane, request: web.Request, subscription: Subscription) -> dict[str, object]:
    """The subscription as the API shows it."""
    url = plane.url(request, f"{PATH}/{subscription.sid}")
    return {
        "account_sid": subscription.account_sid,
        "sid": subscription.sid,
        "date_created": timestamp(subscription.created_ms),
        "date_updated": timestamp(subscription.updated_ms),
        "description": subscription.description,
        "sink_sid": subscription.sink_sid,
        "receive_events_from_subaccounts": subscription.receive_events_from_subaccounts,
        "url": url,
        "links": {"subscribed_events": f"{url}/SubscribedEvents"},
    }


def find(request: web.Request) -> Subscription:
    """The subscription that the path of ``request`` names.

    Raises:
        RefusedError: the account has no such subscription.
    """
    found = request.app[PLANE].subscription_of(request[ACCOUNT].sid, request.match_info["sid"])
    if found is None:
        raise not_found(request)
    return found


def _description(description: str, done: str) -> str:
    if not description.strip():
        raise refused(Code.SUBSCRIPTION_NOT_CREATED, f"Subscription not {done}: Description is empty")
    if len(description) > MAX_DESCRIPTION:
        raise refused(
            Code.SUBSCRIPTION_NOT_CREATED,
            f"Subscription not {done}: Description has more than {MAX_DESCRIPTION} characters",
        )
    return description


def _from_subaccounts(form: Form) -> bool | None:
    text = form.given(_SUBACCOUNTS)
    return None if text is None else boolean(_SUBACCOUNTS, text)


def _sink(plane: ControlPlane, account_sid: str, sid: str) -> SinkRecord:
    sink = plane.sink_of(account_sid, _sink_sid(sid))
    if sink is None:
        raise refused(Code.SINK_NOT_FOUND, f"Sink with SID {sid} was not found", status=HTTPStatus.NOT_FOUND)
    if sink.status is not SinkStatus.ACTIVE:
        raise refused(Code.SINK_NOT_ACTIVE, f"Subscription not created: sink {sid} is {sink.status}, not active")
    if not plane.offers(sink.sink_type):
        raise refused(
            Code.SUBSCRIPTION_NOT_CREATED,
            f"Subscription not created: sink {sid} is of type {sink.sink_type}, but no worker delivers to that "
            "type here",
        )
    if plane.one_subscription_per_sink and sid in plane.used_sinks(account_sid):
        raise refused(Code.SINK_IN_USE, f"Sink with SID {sid} is in use")
    return sink


def _sink_sid(text: str) -> str:
    if not is_sid(text, SidKind.SINK):
        raise refused(Code.BAD_SINK_SID, "SinkSid is malformed: it must be DG and 32 hexadecimal digits")
    return text


SID: Final = sid("sid", "SID of a subscription.", SidKind.SUBSCRIPTION)
GROUP: Final = "Subscriptions"
PARTITIONS: Final = integer("Partitions", "Partitions of the subscription's topic; can only be increased.", least=1)
FILTER: Final = text("Filter", "CEL expression that is true for the events to deliver; empty: all events.")
TYPES: Final = json_text(
    "Types",
    "An event type; without a version, the newest of its schema is used.",
    {
        "type": "object",
        "properties": {"type": {"type": "string"}, "schema_version": {"type": ["integer", "null"], "minimum": 1}},
        "required": ["type"],
    },
).often
_DESCRIPTION: Final = text("Description", "A description of your choice.", least=1, most=MAX_DESCRIPTION)
_NOT_AGAIN: Final = "SID of its sink, which cannot be changed."
OPERATIONS: Final = (
    Operation(
        name="CreateSubscription",
        method="POST",
        path=PATH,
        handler=create,
        group=GROUP,
        summary="Create a subscription",
        description="Every event that is accepted after the response is delivered, and none from before.",
        form=(
            _DESCRIPTION.needed,
            sid("SinkSid", "SID of the sink to deliver to.", SidKind.SINK).needed,
            TYPES.needed,
            flag(_SUBACCOUNTS, "Whether to include events of the account's subaccounts."),
            FILTER,
            PARTITIONS,
        ),
        answer=One(models.Subscription),
        statuses=(HTTPStatus.CREATED,),
        refusals=refused_with(
            Code.BAD_SINK_SID,
            Code.SINK_NOT_FOUND,
            Code.SINK_NOT_ACTIVE,
            Code.SINK_IN_USE,
            Code.SUBSCRIPTION_NOT_CREATED,
            Code.NO_EVENT_TYPES,
            Code.EVENT_TYPE_NOT_FOUND,
            Code.BAD_FILTER,
            ErrorCode.CONFLICT,
        ),
    ),
    Operation(
        name="ListSubscription",
        method="GET",
        path=PATH,
        handler=list_all,
        group=GROUP,
        summary="List subscriptions",
        description="Oldest first.",
        query=(sid("SinkSid", "Only those that deliver to this sink.", SidKind.SINK),),
        answer=Listed("subscriptions", models.Subscription),
        refusals=refused_with(Code.BAD_SINK_SID),
    ),
    Operation(
        name="FetchSubscription",
        method="GET",
        path=f"{PATH}/{{sid}}",
        handler=fetch,
        group=GROUP,
        summary="Fetch a subscription",
        names=(SID,),
        answer=One(models.Subscription),
    ),
    Operation(
        name="UpdateSubscription",
        method="POST",
        path=f"{PATH}/{{sid}}",
        handler=update,
        group=GROUP,
        summary="Change a subscription's description or filter",
        description="Parameters that are not given stay as they are.",
        names=(SID,),
        form=(
            _DESCRIPTION,
            FILTER,
            sid("SinkSid", _NOT_AGAIN, SidKind.SINK),
            flag(_SUBACCOUNTS, _NOT_AGAIN),
        ),
        answer=One(models.Subscription),
        refusals=refused_with(Code.SUBSCRIPTION_NOT_CREATED, Code.BAD_FILTER),
    ),
    Operation(
        name="DeleteSubscription",
        method="DELETE",
        path=f"{PATH}/{{sid}}",
        handler=delete,
        group=GROUP,
        summary="Delete a subscription",
        description="Events that are still waiting become dead letters.",
        names=(SID,),
        answer=None,
        statuses=(HTTPStatus.NO_CONTENT,),
    ),
)
