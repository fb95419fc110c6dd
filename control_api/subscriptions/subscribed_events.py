"""``/v1/Subscriptions/{Sid}/SubscribedEvents``: adds, changes and removes single event types of a subscription."""

from dataclasses import replace
from http import HTTPStatus
from typing import Final

from aiohttp import web

from control_api.catalogue import event_types
from control_api.http.answers import json_answer, list_answer
from control_api.http.codes import Code, refused
from control_api.http.declared import Listed, One, Operation, any_of, refused_with, text
from control_api.http.forms import Form, read_form
from control_api.plane import PLANE
from control_api.subscriptions import resource as subscriptions
from control_api.subscriptions.filters import check_filter
from control_api.subscriptions.subscribed_types import MAX_TYPES, pinnable, subscribable
from eventstreams.client import reference as models
from eventstreams.control.records import SubscribedType, Subscription
from eventstreams.http import ACCOUNT, ErrorCode, RefusedError, not_found

PATH: Final = f"{subscriptions.PATH}/{{sid}}/SubscribedEvents"
_MAX_DIGITS: Final = 9


async def list_all(request: web.Request) -> web.Response:
    """ListSubscribedEvent, by name."""
    subscription = _subscription(request)
    return list_answer(
        request,
        sorted(subscription.types, key=lambda each: each.type),
        key="types",
        filters={},
        position=lambda each: (0, each.type),
        show=lambda each: _show(request, subscription, each),
    )


async def create(request: web.Request) -> web.Response:
    """CreateSubscribedEvent. For a type that exists already, only a given version is changed, and the status is 200."""
    plane, form = request.app[PLANE], await read_form(request)
    name, version = form.required("Type"), version_in(form)
    async with plane.writing:
        subscription = _subscription(request)
        there = subscription.type_named(name)
        if there is not None:
            changed = await _pin(request, subscription, there, version)
            return json_answer(_show(request, subscription, changed))
        if len(subscription.types) >= MAX_TYPES:
            raise refused(
                Code.SUBSCRIPTION_NOT_CREATED, f"The subscription has {MAX_TYPES} event types, which is the maximum"
            )
        added = subscribable(name, version, plane.catalog, sink_type=subscription.sink_type)
        types = (*subscription.types, added)
        check_filter(request, subscription.filter, types)
        await _put(request, subscription, types)
    return json_answer(_show(request, subscription, added), status=HTTPStatus.CREATED)


async def fetch(request: web.Request) -> web.Response:
    """FetchSubscribedEvent."""
    subscription = _subscription(request)
    return json_answer(_show(request, subscription, _type(request, subscription)))


async def update(request: web.Request) -> web.Response:
    """UpdateSubscribedEvent: changes the schema version, from the next delivery on; without one, nothing changes."""
    plane, form = request.app[PLANE], await read_form(request)
    version = version_in(form)
    async with plane.writing:
        subscription = _subscription(request)
        changed = await _pin(request, subscription, _type(request, subscription), version)
    return json_answer(_show(request, subscription, changed))


async def delete(request: web.Request) -> web.Response:
    """DeleteSubscribedEvent. Even the last may be removed: then the subscription gets nothing until one is added."""
    plane = request.app[PLANE]
    async with plane.writing:
        subscription = _subscription(request)
        gone = _type(request, subscription)
        await _put(request, subscription, tuple(each for each in subscription.types if each is not gone))
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def _pin(
    request: web.Request, subscription: Subscription, there: SubscribedType, version: int | None
) -> SubscribedType:
    """Change the type ``there`` of ``subscription`` to schema ``version``; None changes nothing.

    The time since when the type is subscribed stays as it is.
    """
    if version is None:
        return there
    changed = replace(there, schema_version=pinnable(there.type, version, request.app[PLANE].catalog))
    if changed != there:
        types = tuple(changed if each is there else each for each in subscription.types)
        check_filter(request, subscription.filter, types)
        await _put(request, subscription, types)
    return changed


async def _put(request: web.Request, subscription: Subscription, types: tuple[SubscribedType, ...]) -> None:
    plane = request.app[PLANE]
    await plane.writer.put(replace(subscription, types=types, updated_ms=plane.clock()))


def _subscription(request: web.Request) -> Subscription:
    sid = request.match_info["sid"]
    found = request.app[PLANE].subscription_of(request[ACCOUNT].sid, sid)
    if found is None:
        raise refused(
            Code.SUBSCRIPTION_NOT_FOUND, f"Subscription with SID {sid} was not found", status=HTTPStatus.NOT_FOUND
        )
    return found


def _type(request: web.Request, subscription: Subscription) -> SubscribedType:
    found = subscription.type_named(request.match_info["type"])
    if found is None:
        raise not_found(request)
    return found


def version_in(form: Form) -> int | None:
    """``SchemaVersion`` in ``form``; None if it is missing or empty.

    Raises:
        RefusedError: it is not an integer.
    """
    text = form.given("SchemaVersion")
    if not text:  # clients send an empty text for a parameter that is not set
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > _MAX_DIGITS:
        raise RefusedError("SchemaVersion must be an integer")
    return int(text)


def _show(request: web.Request, subscription: Subscription, subscribed: SubscribedType) -> dict[str, object]:
    path = f"{PATH.format(sid=subscription.sid)}/{subscribed.type}"
    return {
        "account_sid": subscription.account_sid,
        "type": subscribed.type,
        "schema_version": subscribed.schema_version,
        "subscription_sid": subscription.sid,
        "url": request.app[PLANE].url(request, path),
    }


_GROUP: Final = "Subscribed events"
_NAMES: Final = (subscriptions.SID, event_types.TYPE)
_NO_SUBSCRIPTION: Final = refused_with(Code.SUBSCRIPTION_NOT_FOUND)
_VERSION: Final = any_of(
    "SchemaVersion",
    "Version of the type's schema; default: the newest when the type is added, and otherwise the present one.",
    {"type": "integer", "minimum": 1},
    {"const": ""},
)
_PINS: Final = refused_with(Code.SUBSCRIPTION_NOT_FOUND, Code.EVENT_TYPE_NOT_FOUND, Code.BAD_FILTER)
OPERATIONS: Final = (
    Operation(
        name="ListSubscribedEvent",
        method="GET",
        path=PATH,
        handler=list_all,
        group=_GROUP,
        summary="List the event types of a subscription",
        description="Sorted by name.",
        names=(subscriptions.SID,),
        answer=Listed("types", models.SubscribedEvent),
        refusals=_NO_SUBSCRIPTION,
    ),
    Operation(
        name="CreateSubscribedEvent",
        method="POST",
        path=PATH,
        handler=create,
        group=_GROUP,
        summary="Add an event type to a subscription",
        description="201, or 200 if the subscription already has the type; its version then changes if one is given.",
        names=(subscriptions.SID,),
        form=(text("Type", "Name of the event type.").needed, _VERSION),
        answer=One(models.SubscribedEvent),
        statuses=(HTTPStatus.CREATED, HTTPStatus.OK),
        refusals=(*_PINS, *refused_with(Code.SUBSCRIPTION_NOT_CREATED, ErrorCode.CONFLICT)),
    ),
    Operation(
        name="FetchSubscribedEvent",
        method="GET",
        path=f"{PATH}/{{type}}",
        handler=fetch,
        group=_GROUP,
        summary="Fetch an event type of a subscription",
        names=_NAMES,
        answer=One(models.SubscribedEvent),
        refusals=_NO_SUBSCRIPTION,
    ),
    Operation(
        name="UpdateSubscribedEvent",
        method="POST",
        path=f"{PATH}/{{type}}",
        handler=update,
        group=_GROUP,
        summary="Change the schema version of an event type",
        description="Takes effect with the next delivery.",
        names=_NAMES,
        form=(_VERSION,),
        answer=One(models.SubscribedEvent),
        refusals=_PINS,
    ),
    Operation(
        name="DeleteSubscribedEvent",
        method="DELETE",
        path=f"{PATH}/{{type}}",
        handler=delete,
        group=_GROUP,
        summary="Remove an event type from a subscription",
        description="Events that are still waiting become dead letters.",
        names=_NAMES,
        answer=None,
        statuses=(HTTPStatus.NO_CONTENT,),
        refusals=_NO_SUBSCRIPTION,
    ),
)
