"""The pages of sinks: list, create, show, health, test and probe, change, pause, signing secret, delete."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web

from control_api.console.api import Json
from control_api.console.config_form import ConfigField, fields_of, initial, problems, read, written
from control_api.console.page_request import PREFIX, Page, PageRequest, get, post
from control_api.console.render import next_page, page_query
from control_api.http.forms import Form
from control_api.plane import PLANE
from eventstreams.control.sink_tests import TEST_EVENT
from eventstreams.http import RefusedError, not_found
from eventstreams.times import from_ms, rfc3339_ms

PATH: Final = f"{PREFIX}sinks"
_SINK: Final = "/v1/Sinks/{}"
_LISTED: Final = 25  # each row requests its health when it becomes visible, which counts as a request of the account
STATES: Final[Mapping[str, tuple[str, str]]] = {
    "working": ("good", "working"),
    "failing": ("warn", "failing"),
    "broken": ("bad", "failing: deliveries held back"),
    "paused": ("off", "paused"),
    "silent": ("off", "nothing sent yet"),
}
"""The style and the words for each state of a sink's health."""


@dataclass(frozen=True, slots=True)
class _Filled:
    """A form's values, and what is wrong with them, by field name."""

    values: Mapping[str, str]
    wrong: Mapping[str, str] = field(default_factory=dict)


async def list_all(page: PageRequest) -> web.Response:
    answer = await page.api.get("/v1/Sinks", query=page_query(page.request.query, _LISTED))
    meta = answer["meta"]
    return page.render(
        "sinks/list.html",
        sinks=answer["sinks"],
        destinations={each["sid"]: _destination(page, each) for each in answer["sinks"]},
        before=next_page(meta, "previous_page_url"),
        after=next_page(meta),
    )


async def health(page: PageRequest) -> web.Response:
    """Just the state, for a row of the list."""
    found = await page.api.get(f"{_SINK}/Health", page.name("sid"))
    return page.render("sinks/state.html", health=found, states=STATES)


async def choose(page: PageRequest) -> web.Response:
    """The page for choosing the type of a new sink."""
    plane = page.request.app[PLANE]
    listed = sorted(plane.usable, key=lambda each: (each.sink_type != "webhook", each.sink_type))
    return page.render("sinks/choose.html", types=listed)


async def new(page: PageRequest) -> web.Response:
    fields = _fields(page, page.name("type"))
    return _form(page, page.name("type"), fields, _Filled(initial(fields)))


async def create(page: PageRequest) -> web.Response:
    sink_type, form = page.name("type"), await page.form()
    fields, given = _fields(page, sink_type), dict(form.fields)
    try:
        made = await page.api.post(
            "/v1/Sinks",
            form={
                "Description": given.get("description", ""),
                "SinkType": sink_type,
                "SinkConfiguration": orjson.dumps(read(fields, given)).decode(),
            },
            once=given.get("once", ""),
        )
    except RefusedError as error:
        return _form(page, sink_type, fields, _Filled(given, problems(error, fields)), status=error.status)
    return page.redirect(f"{PATH}/{made['sid']}", said="created")


async def show(page: PageRequest) -> web.Response:
    sid = page.name("sid")
    sink = await page.api.get(_SINK, sid)
    return page.render("sinks/show.html", **await _shown(page, sink))


async def edit(page: PageRequest) -> web.Response:
    sink = await page.api.get(_SINK, page.name("sid"))
    fields = _fields(page, sink["sink_type"])
    values = {"description": sink["description"], **written(fields, sink["sink_configuration"])}
    return _form(page, sink["sink_type"], fields, _Filled(values), sink=sink)


async def update(page: PageRequest) -> web.Response:
    sid, form = page.name("sid"), await page.form()
    sink = await page.api.get(_SINK, sid)
    fields, given = _fields(page, sink["sink_type"]), dict(form.fields)
    wanted = read(fields, given) | {each.key: None for each in fields if given.get(f"drop.{each.path}") == "on"}
    try:
        # In this order: if one is refused, events still go where they went.
        await page.api.post(_SINK, sid, form={"Description": given.get("description", "")})
        await page.api.post(f"{_SINK}/Configuration", sid, form={"SinkConfiguration": orjson.dumps(wanted).decode()})
    except RefusedError as error:
        filled = _Filled(given, problems(error, fields))
        return _form(page, sink["sink_type"], fields, filled, status=error.status, sink=sink)
    return page.redirect(f"{PATH}/{sink['sid']}", said="updated")


async def probe(page: PageRequest) -> web.Response:
    """Probe the destination now; the answer is shown on the sink's page, or put there by htmx."""
    await page.form()
    sid = page.name("sid")
    answer = await page.api.post(f"{_SINK}/Probe", sid)
    if page.is_part:
        return page.render("sinks/probe.html", probe=answer)
    return page.render("sinks/show.html", **await _shown(page, await page.api.get(_SINK, sid), probe=answer))


async def test(page: PageRequest) -> web.Response:
    """Send a test event. Its outcome then appears beside the button."""
    await page.form()
    sid, now = page.name("sid"), from_ms(page.request.app[PLANE].clock())
    await page.api.post(f"{_SINK}/Test", sid)
    since = rfc3339_ms(now)
    if page.is_part:
        return page.render("sinks/test.html", sid=sid, since=since, attempts=[])
    return page.render("sinks/show.html", **await _shown(page, await page.api.get(_SINK, sid), since=since))


async def test_answer(page: PageRequest) -> web.Response:
    """The attempts at the test event so far."""
    sid, since = page.name("sid"), page.request.query.get("since", "")
    sink = await page.api.get(_SINK, sid)
    query = {"SinkSid": sid, "EventId": page.session.account_sid, "After": since, "PageSize": "5"}
    found = (await page.api.get("/v1/Attempts", query=query))["attempts"]
    attempts = [each for each in found if each["event_type"] == TEST_EVENT]
    if page.is_part:
        return page.render("sinks/test.html", sid=sid, since=since, attempts=attempts)
    return page.render("sinks/show.html", **await _shown(page, sink, since=since, attempts=attempts))


async def validate(page: PageRequest) -> web.Response:
    """Validate the sink with the id in a test event, which proves that the event arrived."""
    form, sid = await page.form(), page.name("sid")
    try:
        await page.api.post(f"{_SINK}/Validate", sid, form={"TestId": form.given("test_id") or ""})
    except RefusedError as error:
        shown = await _shown(page, await page.api.get(_SINK, sid), wrong_id=str(error))
        return page.render("sinks/show.html", status=HTTPStatus(error.status), **shown)
    return page.redirect(f"{PATH}/{sid}", said="valid")


async def deliver(page: PageRequest) -> web.Response:
    """Pause, resume or limit the rate, as the form says."""
    form, sid = await page.form(), page.name("sid")
    try:
        await page.api.post(f"{_SINK}/Delivery", sid, form=form.fields)
    except RefusedError as error:
        shown = await _shown(page, await page.api.get(_SINK, sid), wrong_delivery=str(error))
        return page.render("sinks/show.html", status=HTTPStatus(error.status), **shown)
    return page.redirect(f"{PATH}/{sid}", said=_said(form))


async def signing(page: PageRequest) -> web.Response:
    """The page of the secret or public key that receivers verify signatures with."""
    sid = page.name("sid")
    sink = await page.api.get(_SINK, sid)
    try:
        secret, problem = await page.api.get(f"{_SINK}/SigningSecret", sid), ""
    except RefusedError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        secret, problem = None, str(error)
    return page.render("sinks/signing.html", sink=sink, secret=secret, problem=problem)


async def rotate_signing(page: PageRequest) -> web.Response:
    """Create a new secret; the present one goes on signing for a while."""
    form, sid = await page.form(), page.name("sid")
    try:
        await page.api.post(f"{_SINK}/SigningSecret", sid, form=form.fields)
    except RefusedError as error:
        sink, secret = await page.api.get(_SINK, sid), await page.api.get(f"{_SINK}/SigningSecret", sid)
        shown = {"sink": sink, "secret": secret, "problem": str(error)}
        return page.render("sinks/signing.html", status=HTTPStatus(error.status), **shown)
    return page.redirect(f"{PATH}/{sid}/signing", said="updated")


async def confirm(page: PageRequest) -> web.Response:
    """Ask whether to delete the sink, and say what prevents it."""
    sid = page.name("sid")
    sink = await page.api.get(_SINK, sid)
    return page.render("sinks/delete.html", sink=sink, subscriptions=await _subscriptions(page, sid), problem="")


async def delete(page: PageRequest) -> web.Response:
    await page.form()
    sid = page.name("sid")
    sink = await page.api.get(_SINK, sid)
    try:
        await page.api.delete(_SINK, sid)
    except RefusedError as error:
        subscriptions = await _subscriptions(page, sid)
        shown = {"sink": sink, "subscriptions": subscriptions, "problem": str(error)}
        return page.render("sinks/delete.html", status=HTTPStatus(error.status), **shown)
    return page.redirect(PATH, said="deleted")


async def _shown(
    page: PageRequest,
    sink: Json,
    *,
    probe: Json | None = None,
    since: str = "",
    attempts: Sequence[Json] = (),
    wrong_id: str = "",
    wrong_delivery: str = "",
) -> Json:
    """The context of the page of ``sink``."""
    sid = sink["sid"]
    try:
        state, no_state = await page.api.get(f"{_SINK}/Health", sid), ""
    except RefusedError as error:  # the delivery log is off or lags: show the rest of the page
        state, no_state = None, str(error)
    return {
        "sink": sink,
        "destination": _destination(page, sink),
        "health": state,
        "no_health": no_state,
        "states": STATES,
        "delivery": await page.api.get(f"{_SINK}/Delivery", sid),
        "subscriptions": await _subscriptions(page, sid),
        "probe": probe,
        "since": since,
        "attempts": attempts,
        "wrong_id": wrong_id,
        "wrong_delivery": wrong_delivery,
        "must_validate": sink["status"] != "active",
        "signs": (plugin := page.request.app[PLANE].plugins.get(sink["sink_type"])) is not None
        and plugin.signing is not None,
    }


async def _subscriptions(page: PageRequest, sid: str) -> list[Json]:
    return await page.api.listed("/v1/Subscriptions", key="subscriptions", query={"SinkSid": sid})


def _destination(page: PageRequest, sink: Json) -> str:
    """The sink's destination in one line: the first key of its configuration that is required and not secret."""
    plugin = page.request.app[PLANE].plugins.get(sink["sink_type"])
    fields = () if plugin is None else fields_of(plugin.config)
    key = next((each.key for each in fields if each.required and not each.hides), "")
    value = sink["sink_configuration"].get(key)
    return value if isinstance(value, str) else ""


def _fields(page: PageRequest, sink_type: str) -> Sequence[ConfigField]:
    """The configuration fields of ``sink_type``.

    Raises:
        RefusedError: 404: no plugin of that type is installed here.
    """
    plugin = page.request.app[PLANE].plugins.get(sink_type)
    if plugin is None:
        raise not_found(page.request)
    return fields_of(plugin.config)


def _form(
    page: PageRequest,
    sink_type: str,
    fields: Sequence[ConfigField],
    filled: _Filled,
    *,
    status: int = HTTPStatus.OK,
    sink: Json | None = None,
) -> web.Response:
    """The form of a new sink, or of ``sink``."""
    return page.render(
        "sinks/form.html",
        status=HTTPStatus(status),
        sink_type=sink_type,
        fields=fields,
        values=filled.values,
        wrong=filled.wrong,
        sink=sink,
    )


def _said(form: Form) -> str:
    return {"true": "paused", "false": "resumed"}.get(form.given("Paused") or "", "updated")


_ONE: Final = "sinks/{sid}"
PAGES: Final[tuple[Page, ...]] = (
    get("sinks", list_all),
    get("sinks/new", choose),
    get("sinks/new/{type}", new),
    post("sinks/new/{type}", create),
    get(_ONE, show),
    get(f"{_ONE}/health", health),
    get(f"{_ONE}/edit", edit),
    post(f"{_ONE}/edit", update),
    post(f"{_ONE}/probe", probe),
    post(f"{_ONE}/test", test),
    get(f"{_ONE}/test-answer", test_answer),
    post(f"{_ONE}/validate", validate),
    post(f"{_ONE}/delivery", deliver),
    get(f"{_ONE}/signing", signing),
    post(f"{_ONE}/signing", rotate_signing),
    get(f"{_ONE}/delete", confirm),
    post(f"{_ONE}/delete", delete),
)
