"""``/v1/Events/{Id}/CloudEvent``: an event as its subscribers receive it. An extension of ours."""

from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web

from control_api.delivery_log.answers import NO_LOG, using_log, utf8
from control_api.delivery_log.events import PATH as EVENTS
from control_api.http.answers import json_answer
from control_api.http.declared import One, Operation, sid, text
from control_api.plane import PLANE
from eventstreams.client import flow as models
from eventstreams.codec import Codec, CodecProblem
from eventstreams.control.records import Subscription
from eventstreams.headers import Envelope, HeaderProblem
from eventstreams.http import ACCOUNT, RefusedError
from eventstreams.kafka.records import Record
from eventstreams.sids import SidKind
from eventstreams.sinks import OutboundEvent

PATH: Final = f"{EVENTS}/{{id}}/CloudEvent"


async def fetch(request: web.Request) -> web.Response:
    """Answer with the event and its data, read from the events topic: as published, or as a subscription gets it."""
    plane, account_sid = request.app[PLANE], request[ACCOUNT].sid
    event_id = utf8(request.match_info["id"])
    subscription = None
    if sid_given := request.query.get("SubscriptionSid"):
        subscription = plane.subscription_of(account_sid, sid_given)
        if subscription is None:
            raise RefusedError(f"Subscription {sid_given} was not found", status=HTTPStatus.NOT_FOUND)
    with using_log(request) as service:
        record = await service.record(account_sid, event_id)
    if record is None:
        raise RefusedError(
            "The event's record was not found: it is past its topic's retention, or was never accepted for this "
            "account",
            status=HTTPStatus.NOT_FOUND,
        )
    found = cloud_event(record, subscription, service.codec)
    return json_answer(
        {
            "event_id": event_id,
            "cloud_event": orjson.Fragment(found.json()) if isinstance(found, OutboundEvent) else None,
            "problem": None if isinstance(found, OutboundEvent) else found,
            "size_bytes": len(record.value),
            "url": f"{plane.url(request, '')}{request.rel_url.raw_path_qs}",
        }
    )


def cloud_event(record: Record, subscription: Subscription | None, codec: Codec) -> OutboundEvent | str:
    """The event in ``record`` in the schema version that ``subscription`` pins, or why it cannot be read. Pure.

    Without a subscription, it is in the version that it was published in.
    """
    envelope = Envelope.parse(dict(record.headers))
    if isinstance(envelope, HeaderProblem):
        return envelope.detail
    wanted = None if subscription is None else subscription.type_named(envelope.type)
    version = None if wanted is None else wanted.schema_version
    projection = codec.projection(envelope.dataschema, version)
    if isinstance(projection, CodecProblem):
        return projection.detail
    data = projection.decode(record.value)
    if isinstance(data, CodecProblem):
        return data.detail
    return OutboundEvent(
        id=envelope.id,
        type=envelope.type,
        source=envelope.source,
        time=envelope.time,
        dataschema=projection.dataschema,
        account_sid=envelope.account_sid,
        data=data,
        subject=envelope.subject,
    )


OPERATIONS: Final = (
    Operation(
        name="FetchCloudEvent",
        method="GET",
        path=PATH,
        handler=fetch,
        group="Delivery log",
        summary="Fetch an event with its data",
        description="As a CloudEvent in JSON, as long as it is in the events topic.",
        names=(text("id", "Id of an event."),),
        query=(
            sid(
                "SubscriptionSid",
                "Convert the data to the schema version that this subscription pins.",
                SidKind.SUBSCRIPTION,
            ),
        ),
        answer=One(models.CloudEventOf),
        refusals=NO_LOG,
    ),
)
