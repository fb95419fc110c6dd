"""Send: compose a sample event of a type, publish it through the gateway, and watch where it goes."""

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import aiohttp
import orjson
from aiohttp import hdrs, web

from control_api.console.catalogue import example_of
from control_api.console.page_request import PREFIX, Page, PageRequest, get, post
from control_api.plane import PLANE
from eventstreams.answer_body import read_at_most
from eventstreams.http import RefusedError
from eventstreams.settings import PREFIX as SETTINGS
from eventstreams.times import from_ms, rfc3339_ms
from eventstreams.trust import tls_to

PATH: Final = f"{PREFIX}send"
GATEWAY: Final = web.AppKey("gateway", str)
"""The gateway's URL; empty if it is not configured."""
_EVENTS: Final = "/v1/Events"
_CLOUD_EVENT: Final = "application/cloudevents+json"
_ANSWER_S: Final = 15.0
_MOST_ANSWER: Final = 64 << 10
_SOURCE: Final = "/console/send"


async def show(page: PageRequest) -> web.Response:
    """The form, with an example of the chosen type."""
    wanted = page.request.query.get("type", "")
    text, problem = "", ""
    if wanted:
        try:
            text = _pretty(await _example(page, wanted))
        except RefusedError as error:
            problem = str(error)
    return _form(page, wanted, text, problem)


async def send(page: PageRequest) -> web.Response:
    form = await page.form()
    text = form.given("event") or ""
    try:
        event = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return _form(page, "", text, f"This is not JSON: {error}", status=HTTPStatus.BAD_REQUEST)
    if not isinstance(event, dict):
        return _form(page, "", text, "An event is a JSON object", status=HTTPStatus.BAD_REQUEST)
    wanted = str(event.get("type", ""))
    try:
        answer = await _publish(page, text)
    except RefusedError as error:
        return _form(page, wanted, text, str(error), status=HTTPStatus(error.status))
    sent = rfc3339_ms(from_ms(page.request.app[PLANE].clock()))
    return page.redirect(f"{PREFIX}events/{quote(str(answer), safe='')}?sent={quote(sent)}")


def _form(
    page: PageRequest, wanted: str, text: str, problem: str, *, status: HTTPStatus = HTTPStatus.OK
) -> web.Response:
    return page.render(
        "send/show.html",
        status=status,
        types=page.request.app[PLANE].catalog.public_types(),
        wanted=wanted,
        text=text,
        problem=problem,
        is_on=bool(page.request.app[GATEWAY]),
        setting=f"{SETTINGS}GATEWAY_URL",
    )


async def _example(page: PageRequest, wanted: str) -> Mapping[str, object]:
    """An event of the type ``wanted``, with a new id and example data in the newest schema version."""
    event_type = await page.api.get("/v1/Types/{}", wanted)
    newest = len(page.request.app[PLANE].catalog.schemas[event_type["schema_id"]].versions)
    return {
        "specversion": "1.0",
        "id": f"EZ{secrets.token_hex(16)}",
        "type": wanted,
        "source": _SOURCE,
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}Z",
        "data": example_of(page.request, wanted, newest) or {},
    }


async def _publish(page: PageRequest, event: str) -> str:
    """Send ``event`` to the gateway exactly as it was written; return the event's id once it is accepted.

    Raises:
        RefusedError: the gateway refused, with its own message; or it does not answer.
    """
    url = page.request.app[GATEWAY]
    if not url:
        raise RefusedError("The console has no gateway configured", status=HTTPStatus.SERVICE_UNAVAILABLE)
    headers = {hdrs.AUTHORIZATION: page.session.authorization, hdrs.CONTENT_TYPE: _CLOUD_EVENT}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_S)) as client,
            client.post(
                f"{url.rstrip('/')}{_EVENTS}",
                data=event.encode(),
                headers=headers,
                ssl=tls_to(url),
                allow_redirects=False,  # never send the password to another server
            ) as answer,
        ):
            body = await read_at_most(answer, _MOST_ANSWER)
    except (aiohttp.ClientError, TimeoutError):
        message = "The gateway does not answer: the event may still have been accepted"
        raise RefusedError(message, status=HTTPStatus.BAD_GATEWAY) from None
    return _accepted(answer.status, body)


def _accepted(status: int, body: bytes) -> str:
    """The id in the gateway's answer. Raises like ``_publish``."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = None
    match told:
        case {"ids": [str(event_id), *_]} if status < HTTPStatus.BAD_REQUEST:
            return event_id
        case {"message": str(message)} if status >= HTTPStatus.BAD_REQUEST:
            raise RefusedError(message, status=status)
    raise RefusedError("What answers is not an Event Streams gateway: ask the operator", status=HTTPStatus.BAD_GATEWAY)


def _pretty(event: Mapping[str, object]) -> str:
    return json.dumps(event, indent=2, ensure_ascii=False)


PAGES: Final[tuple[Page, ...]] = (get("send", show), post("send", send))
