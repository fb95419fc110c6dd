"""``/v1/Sinks/{sid}/SigningSecret``: shows and rotates what receivers verify signatures with."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import hdrs, web
from pydantic import BaseModel

from control_api.http.answers import json_answer
from control_api.http.declared import One, Operation, integer, refused_with
from control_api.http.forms import Form, read_form_or_json
from control_api.plane import PLANE, ControlPlane
from control_api.sinks import resource as sinks
from control_api.sinks.checks import read_stored
from eventstreams.client.models import SigningSecret
from eventstreams.control.records import SinkRecord
from eventstreams.http import ErrorCode, RefusedError
from eventstreams.sinks import SigningSecrets

PATH: Final = f"{sinks.PATH}/{{sid}}/SigningSecret"
_GRACE_S: Final = 24 * 3600  # a day's time for changing the receiver
_MAX_GRACE_S: Final = 7 * 24 * 3600
_SECONDS: Final = re.compile(r"[0-9]{1,6}")


async def fetch(request: web.Request) -> web.Response:
    """Answer with the current secret, or the public key if signatures are verified with one."""
    plane, sink = request.app[PLANE], sinks.find(request)
    signing, config, _ = _signing(plane, sink)
    return _answer(plane, request, sink, signing, config)


async def rotate(request: web.Request) -> web.Response:
    """Create a new secret. The old one goes on signing for ``GraceSeconds``, so that receivers have time to change."""
    plane = request.app[PLANE]
    grace = read_grace(await read_form_or_json(request))
    async with plane.writing:
        sink = sinks.find(request)
        signing, config, stored = _signing(plane, sink)
        now_ms = plane.clock()
        try:
            changes = signing.rotate(config, datetime.fromtimestamp(now_ms / 1000, UTC), grace)
        except ValueError as error:
            raise RefusedError(f"Not rotated: {error}", status=HTTPStatus.CONFLICT) from None
        wanted = orjson.dumps({**stored, **changes}).decode()
        configuration = sinks.locked_configuration(plane, sink.sid, wanted)
        sink = replace(sink, configuration=configuration, updated_ms=now_ms)
        await plane.writer.put(sink)
    signing, config, _ = _signing(plane, sink)
    return _answer(plane, request, sink, signing, config)


def _signing(
    plane: ControlPlane, sink: SinkRecord
) -> tuple[SigningSecrets[BaseModel], BaseModel, Mapping[str, object]]:
    """How ``sink`` signs: the plugin's functions, the parsed configuration, and the stored one.

    Raises:
        RefusedError: 404: it has no signing secret.
    """
    plugin = plane.plugins.get(sink.sink_type)
    if plugin is not None and plugin.signing is not None:
        stored = sinks.unlocked_configuration(plane, sink)
        config = read_stored(plugin, stored)
        if config is None:
            raise RefusedError(
                f"The configuration of sink {sink.sid} is no longer valid: change it at {sinks.PATH}/{sink.sid}/"
                "Configuration first",
                status=HTTPStatus.CONFLICT,
            )
        if plugin.signing.show(config) is not None:
            return plugin.signing, config, orjson.loads(stored)
    raise RefusedError(
        f"Sink {sink.sid} has no signing secret: its type has none, or its configuration does not ask for one",
        status=HTTPStatus.NOT_FOUND,
    )


def _answer(
    plane: ControlPlane,
    request: web.Request,
    sink: SinkRecord,
    signing: SigningSecrets[BaseModel],
    config: BaseModel,
) -> web.Response:
    shown = signing.show(config) or {}
    answer = json_answer({"sink_sid": sink.sid, **shown, "url": plane.url(request, request.path)})
    answer.headers[hdrs.CACHE_CONTROL] = "no-store"
    return answer


def read_grace(form: Form) -> timedelta:
    """How long the replaced secret stays valid: ``GraceSeconds`` in the form, by default a day.

    Raises:
        RefusedError: 400: it is not a number, or too large; 415: the body is not a form, so it may be in it unread.
    """
    given = form.given("GraceSeconds")
    text = str(_GRACE_S) if given is None else given
    if not _SECONDS.fullmatch(text) or int(text) > _MAX_GRACE_S:
        raise RefusedError(f"GraceSeconds must be a whole number from 0 to {_MAX_GRACE_S}")
    return timedelta(seconds=int(text))


GRACE: Final = integer(
    "GraceSeconds",
    "How long the old secret stays valid alongside the new one.",
    least=0,
    most=_MAX_GRACE_S,
    default=_GRACE_S,
)
OPERATIONS: Final = (
    Operation(
        name="FetchSigningSecret",
        method="GET",
        path=PATH,
        handler=fetch,
        group=sinks.GROUP,
        summary="Fetch the key for verifying signatures",
        names=(sinks.SID,),
        answer=One(SigningSecret),
        refusals=(*sinks.NO_SID, *refused_with(ErrorCode.CONFLICT)),
    ),
    Operation(
        name="RotateSigningSecret",
        method="POST",
        path=PATH,
        handler=rotate,
        group=sinks.GROUP,
        summary="Rotate the signing secret",
        names=(sinks.SID,),
        form=(GRACE,),
        answer=One(SigningSecret),
        refusals=(*sinks.NO_SID, *refused_with(ErrorCode.CONFLICT)),
    ),
)
