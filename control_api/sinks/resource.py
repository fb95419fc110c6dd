"""``/v1/Sinks``: create, fetch, list, update, delete."""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from aiohttp import web

from control_api.http.answers import json_answer, list_answer, timestamp
from control_api.http.codes import Code, refused
from control_api.http.declared import Listed, One, Operation, choice, flag, json_text, refused_with, sid, text
from control_api.http.forms import Form, boolean, read_form
from control_api.plane import MAX_DESCRIPTION, MAX_SINKS, PLANE, ControlPlane
from control_api.sinks.checks import (
    checked_configuration,
    configuration_in,
    public_part,
    read_stored,
    stored_configuration,
)
from eventstreams.client import reference as models
from eventstreams.control.records import SinkRecord, SinkStatus
from eventstreams.control.vault import Purpose
from eventstreams.http import ACCOUNT, RefusedError, not_found
from eventstreams.sids import SidKind, is_sid, new_sid
from eventstreams.sinks.contract import AnySinkPlugin

PATH: Final = "/v1/Sinks"


async def create(request: web.Request) -> web.Response:
    """CreateSink. A sink is active immediately, unless it must be validated first."""
    plane, account = request.app[PLANE], request[ACCOUNT]
    form = await read_form(request)
    description = _description(form, "created")
    plugin = _plugin(form.required("SinkType"), plane)
    config = _config(form.required("SinkConfiguration"), plugin)
    async with plane.writing:
        if len(plane.sinks_of(account.sid)) >= MAX_SINKS:
            raise refused(
                Code.TOO_MANY_SINKS, f"Sink not created: the account has {MAX_SINKS} sinks, which is the maximum"
            )
        now_ms, sid = plane.clock(), new_sid(SidKind.SINK)
        sink = SinkRecord(
            sid=sid,
            account_sid=account.sid,
            description=description,
            sink_type=plugin.sink_type,
            configuration=locked_configuration(plane, sid, config),
            status=SinkStatus.INITIALIZED if plane.validates(plugin.sink_type) else SinkStatus.ACTIVE,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        await plane.writer.put(sink)
    return json_answer(show(plane, request, sink), status=HTTPStatus.CREATED)


async def fetch(request: web.Request) -> web.Response:
    """FetchSink."""
    return json_answer(show(request.app[PLANE], request, find(request)))


async def list_all(request: web.Request) -> web.Response:
    """ListSink, oldest first; filters ``InUse`` and ``Status``."""
    plane, account = request.app[PLANE], request[ACCOUNT]
    sinks = plane.sinks_of(account.sid)
    filters = {name: request.query[name] for name in ("InUse", "Status") if name in request.query}
    if "InUse" in filters:
        wanted = boolean("InUse", filters["InUse"])
        used = plane.used_sinks(account.sid)
        sinks = [sink for sink in sinks if (sink.sid in used) is wanted]
    if "Status" in filters:
        if filters["Status"] not in list(SinkStatus):
            raise RefusedError(f"Status must be one of {', '.join(SinkStatus)}")
        sinks = [sink for sink in sinks if sink.status == filters["Status"]]
    return list_answer(
        request,
        sinks,
        key="sinks",
        filters=filters,
        position=lambda sink: (sink.created_ms, sink.sid),
        show=lambda sink: show(plane, request, sink),
    )


async def update(request: web.Request) -> web.Response:
    """UpdateSink: changes the description. The configuration has an operation of its own."""
    plane, form = request.app[PLANE], await read_form(request)
    if form.all("SinkType"):
        raise RefusedError("SinkType of a sink cannot be changed: create another sink")
    if form.all("SinkConfiguration"):
        path = f"{PATH}/{find(request).sid}/Configuration"
        raise RefusedError(f"SinkConfiguration cannot be changed here: POST it to {path}")
    description = _description(form, "updated")
    async with plane.writing:
        sink = find(request)
        if description != sink.description:
            sink = replace(sink, description=description, updated_ms=plane.clock())
            await plane.writer.put(sink)
    return json_answer(show(plane, request, sink))


async def delete(request: web.Request) -> web.Response:
    """DeleteSink; refused while a subscription delivers to it."""
    plane, account = request.app[PLANE], request[ACCOUNT]
    async with plane.writing:
        sink = find(request)
        if sink.sid in plane.used_sinks(account.sid):
            raise refused(
                Code.SINK_IN_USE, f"Sink with SID {sink.sid} is in use: delete the subscriptions that use it first"
            )
        await plane.writer.remove(sink.sid)
    return web.Response(status=HTTPStatus.NO_CONTENT)


def show(plane: ControlPlane, request: web.Request, sink: SinkRecord) -> dict[str, object]:
    """The sink as the API shows it."""
    url = plane.url(request, f"{PATH}/{sink.sid}")
    return {
        "date_created": timestamp(sink.created_ms),
        "date_updated": timestamp(sink.updated_ms),
        "description": sink.description,
        "sid": sink.sid,
        "sink_configuration": public_configuration(plane, sink),
        "sink_type": sink.sink_type,
        "status": sink.status,
        "url": url,
        "links": {"sink_test": f"{url}/Test", "sink_validate": f"{url}/Validate"},
    }


def public_configuration(plane: ControlPlane, sink: SinkRecord) -> Mapping[str, object]:
    """The sink's configuration without secrets; empty if no plugin installed here accepts it."""
    plugin = plane.plugins.get(sink.sink_type)
    if plugin is None:
        return {}
    return public_part(plugin, read_stored(plugin, unlocked_configuration(plane, sink)))


def unlocked_configuration(plane: ControlPlane, sink: SinkRecord) -> str:
    """The sink's configuration as JSON, with its secrets."""
    return plane.vault.unlock(sink.configuration, Purpose.SINK_CONFIGURATION, sink.sid)


def locked_configuration(plane: ControlPlane, sink_sid: str, configuration: str) -> str:
    """``configuration``, which is JSON, encrypted for the sink's record."""
    return plane.vault.lock(configuration, Purpose.SINK_CONFIGURATION, sink_sid)


def find(request: web.Request) -> SinkRecord:
    """The sink that the path of ``request`` names.

    Raises:
        RefusedError: the account has no such sink, or the SID is malformed.
    """
    sid = request.match_info["sid"]
    if not is_sid(sid, SidKind.SINK):
        raise refused(Code.BAD_SINK_SID, "The sink SID is malformed: it must be DG and 32 hexadecimal digits")
    sink = request.app[PLANE].sink_of(request[ACCOUNT].sid, sid)
    if sink is None:
        raise not_found(request)
    return sink


def _description(form: Form, done: str) -> str:
    description = form.required("Description")
    if not description.strip():
        raise refused(Code.SINK_NOT_CREATED, f"Sink not {done}: Description is empty")
    if len(description) > MAX_DESCRIPTION:
        raise refused(Code.SINK_NOT_CREATED, f"Sink not {done}: Description has more than {MAX_DESCRIPTION} characters")
    return description


def _plugin(sink_type: str, plane: ControlPlane) -> AnySinkPlugin:
    plugin = plane.plugins.get(sink_type)
    if plugin is None or not plane.offers(sink_type):
        raise refused(Code.SINK_NOT_CREATED, f"Sink not created: {_why_not(sink_type, plane)}")
    if plugin.needs_mail and plane.mail is None:
        raise refused(
            Code.SINK_NOT_CREATED,
            f"Sink not created: sinks of type {sink_type} send mail, but the operator of this installation has not "
            "configured a mail server (EVENTSTREAMS_SMTP_URL)",
        )
    return plugin


def _why_not(sink_type: str, plane: ControlPlane) -> str:
    """Why no sink of ``sink_type`` can be created, and of which types sinks can."""
    usable = ", ".join(sorted(each.sink_type for each in plane.usable))
    choice = f"SinkType must be one of {usable}" if usable else "no sinks can be created here"
    if sink_type in plane.plugins:
        return f"this installation runs no workers for {sink_type} sinks; {choice}"
    if sink_type in plane.delivered_types:
        return (
            f"this installation runs workers for {sink_type} sinks, but their plugin is not installed alongside "
            f"the API, which its operator must fix; {choice}"
        )
    return choice


def _config(text: str, plugin: AnySinkPlugin) -> str:
    """The configuration to store as JSON, checked by the plugin's own model."""
    given = configuration_in(text, "created")
    return stored_configuration(given, checked_configuration(given, plugin, "created"), plugin)


SID: Final = sid("sid", "SID of a sink.", SidKind.SINK)
NO_SID: Final = refused_with(Code.BAD_SINK_SID)
GROUP: Final = "Sinks"
_DESCRIPTION: Final = text("Description", "A description of your choice.", least=1, most=MAX_DESCRIPTION)
OPERATIONS: Final = (
    Operation(
        name="CreateSink",
        method="POST",
        path=PATH,
        handler=create,
        group=GROUP,
        summary="Create a sink",
        description="It is active immediately, unless the installation requires sinks to be validated first.",
        form=(
            _DESCRIPTION.needed,
            text("SinkType", "Type of the sink, such as `webhook`.").needed,
            json_text(
                "SinkConfiguration", "Depends on the sink type: a webhook needs a `destination`.", {"type": "object"}
            ).needed,
        ),
        answer=One(models.Sink),
        statuses=(HTTPStatus.CREATED,),
        refusals=refused_with(Code.SINK_NOT_CREATED, Code.TOO_MANY_SINKS),
    ),
    Operation(
        name="ListSink",
        method="GET",
        path=PATH,
        handler=list_all,
        group=GROUP,
        summary="List sinks",
        description="Oldest first.",
        query=(
            flag("InUse", "Only those that are, or are not, used by a subscription."),
            choice("Status", "Those that are so.", SinkStatus),
        ),
        answer=Listed("sinks", models.Sink),
    ),
    Operation(
        name="FetchSink",
        method="GET",
        path=f"{PATH}/{{sid}}",
        handler=fetch,
        group=GROUP,
        summary="Fetch a sink",
        names=(SID,),
        answer=One(models.Sink),
        refusals=NO_SID,
    ),
    Operation(
        name="UpdateSink",
        method="POST",
        path=f"{PATH}/{{sid}}",
        handler=update,
        group=GROUP,
        summary="Change a sink's description",
        description="To change its configuration, use UpdateSinkConfiguration; its type cannot be changed.",
        names=(SID,),
        form=(_DESCRIPTION.needed,),
        answer=One(models.Sink),
        refusals=(*NO_SID, *refused_with(Code.SINK_NOT_CREATED)),
    ),
    Operation(
        name="DeleteSink",
        method="DELETE",
        path=f"{PATH}/{{sid}}",
        handler=delete,
        group=GROUP,
        summary="Delete a sink",
        names=(SID,),
        answer=None,
        statuses=(HTTPStatus.NO_CONTENT,),
        refusals=(*NO_SID, *refused_with(Code.SINK_IN_USE)),
    ),
)
