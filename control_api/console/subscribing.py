"""The pages for creating and changing subscriptions: types and versions, and the filter, tried on recent events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web

from control_api.console.api import Json
from control_api.console.catalogue import ADDABLE, WARNINGS, Group, between, groups, versions_of
from control_api.console.page_request import Page, PageRequest, get, post
from control_api.console.schema_fields import Difference
from control_api.console.subscriptions import ONE, PATH
from control_api.http.codes import Code
from control_api.http.forms import Form
from control_api.plane import PLANE
from eventstreams.http import ErrorCode, RefusedError

_VERSION: Final = "version."
_TYPES: Final = f"{ONE}/SubscribedEvents"
_TYPE: Final = f"{_TYPES}/{{}}"
_SUBACCOUNTS: Final = "ReceiveEventsFromSubaccounts"
_SHOWN: Final = "10"  # events of a preview
_MAX_DIGITS: Final = 9  # of a version: longer numbers may not be representable in JSON


@dataclass(frozen=True, slots=True)
class Wanted:
    """The content of a form. ``chosen``: the chosen types with their versions; empty for the newest."""

    chosen: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    sink: str = ""
    filter: str = ""
    subaccounts: bool = False

    @classmethod
    def of(cls, form: Form) -> "Wanted":
        """Read ``form``."""
        return cls(
            chosen={each: form.given(f"{_VERSION}{each}") or "" for each in form.all("type")},
            description=form.given("description") or "",
            sink=form.given("sink") or "",
            filter=(form.given("filter") or "").strip(),
            subaccounts=form.given("subaccounts") == "on",
        )

    @property
    def types(self) -> Sequence[tuple[str, str]]:
        """The chosen types as the API's parameters."""
        return [("Types", _type(name, version)) for name, version in self.chosen.items()]


@dataclass(frozen=True, slots=True)
class VersionChange:
    """A version, and how it differs from the one before."""

    version: Json
    words: str
    changes: Sequence[Difference]


async def new(page: PageRequest) -> web.Response:
    query = page.request.query
    chosen = dict.fromkeys(query.getall("type", []), "")
    return await _form(page, Wanted(chosen=chosen, sink=query.get("sink", "")), {})


async def create(page: PageRequest) -> web.Response:
    form = await page.form()
    wanted = Wanted.of(form)
    fields = [
        ("Description", wanted.description),
        ("SinkSid", wanted.sink),
        *wanted.types,
        *([("Filter", wanted.filter)] if wanted.filter else []),
        *([(_SUBACCOUNTS, "true")] if wanted.subaccounts else []),
    ]
    try:
        made = await page.api.post("/v1/Subscriptions", form=fields, once=form.given("once") or "")
    except RefusedError as error:
        return await _form(page, wanted, _place(error), status=error.status)
    return page.redirect(f"{PATH}/{made['sid']}", said="created")


async def versions(page: PageRequest) -> web.Response:
    """The versions of a type, for the list of types to choose from."""
    name = page.request.query.get("type", "")
    return page.render("subscriptions/versions.html", type=name, versions=await _versions(page, name))


async def preview(page: PageRequest) -> web.Response:
    """Try the form's filter on the account's latest events."""
    form = await page.form()
    wanted, sid = Wanted.of(form), form.given("sid")
    which = [("SubscriptionSid", sid)] if sid else wanted.types
    if not which:
        message = "Choose event types first: a filter is tried on events of those"
        raise RefusedError(message, code=ErrorCode.BAD_PARAMETER)
    found = await page.api.post("/v1/FilterPreviews", form=[("Filter", wanted.filter), ("Count", _SHOWN), *which])
    template = "subscriptions/preview.html" if page.is_part else "subscriptions/preview_page.html"
    return page.render(template, preview=found)


async def edit(page: PageRequest) -> web.Response:
    """The page for changing description and filter."""
    sid = page.name("sid")
    subscription, delivery = await page.api.get(ONE, sid), await page.api.get(f"{ONE}/Delivery", sid)
    wanted = Wanted(description=subscription["description"], filter=delivery["filter"] or "")
    return page.render("subscriptions/edit.html", subscription=subscription, wanted=wanted, wrong={})


async def update(page: PageRequest) -> web.Response:
    form, sid = await page.form(), page.name("sid")
    wanted = Wanted.of(form)
    try:
        await page.api.post(ONE, sid, form={"Description": wanted.description, "Filter": wanted.filter})
    except RefusedError as error:
        subscription, status = await page.api.get(ONE, sid), HTTPStatus(error.status)
        shown = {"subscription": subscription, "wanted": wanted, "wrong": _place(error)}
        return page.render("subscriptions/edit.html", status=status, **shown)
    return page.redirect(f"{PATH}/{sid}", said="updated")


async def more(page: PageRequest) -> web.Response:
    """The page for adding types."""
    return await _more(page, Wanted(), "")


async def add(page: PageRequest) -> web.Response:
    """Add the types one by one. If one is refused, those before it were added, and the page still has the others."""
    wanted, sid = Wanted.of(await page.form()), page.name("sid")
    left = dict(wanted.chosen)
    for name, version in wanted.chosen.items():
        try:
            await page.api.post(_TYPES, sid, form={"Type": name, "SchemaVersion": version})
        except RefusedError as error:
            return await _more(page, Wanted(chosen=left), str(error), status=error.status)
        del left[name]
    return page.redirect(f"{PATH}/{sid}", said="updated")


async def one_type(page: PageRequest) -> web.Response:
    """The page of one type of the subscription: change its version, compare versions, or remove the type."""
    return await _one_type(page, "")


async def change_type(page: PageRequest) -> web.Response:
    """Change the version, or remove the type."""
    form, sid, name = await page.form(), page.name("sid"), page.name("type")
    try:
        if form.given("remove"):
            await page.api.delete(_TYPE, sid, name)
        else:
            await page.api.post(_TYPE, sid, name, form={"SchemaVersion": form.given("version") or ""})
    except RefusedError as error:
        return await _one_type(page, str(error), status=error.status)
    return page.redirect(f"{PATH}/{sid}", said="updated")


async def _form(
    page: PageRequest, wanted: Wanted, wrong: Mapping[str, str], *, status: int = HTTPStatus.OK
) -> web.Response:
    sinks = await page.api.listed("/v1/Sinks", key="sinks")
    return page.render(
        "subscriptions/new.html",
        status=HTTPStatus(status),
        wanted=wanted,
        wrong=wrong,
        sinks=[each for each in sinks if each["status"] == "active"],
        has_sinks=bool(sinks),
        groups=await _groups(page),
        addable=ADDABLE,
        warnings=WARNINGS,
    )


async def _more(page: PageRequest, wanted: Wanted, problem: str, *, status: int = HTTPStatus.OK) -> web.Response:
    sid = page.name("sid")
    subscription = await page.api.get(ONE, sid)
    there = {each["type"] for each in await page.api.listed(_TYPES, sid, key="types")}
    return page.render(
        "subscriptions/more.html",
        status=HTTPStatus(status),
        subscription=subscription,
        wanted=wanted,
        problem=problem,
        groups=[
            Group(each.title, [one for one in each.types if one["type"] not in there]) for each in await _groups(page)
        ],
        addable=ADDABLE,
        warnings=WARNINGS,
    )


async def _one_type(page: PageRequest, problem: str, *, status: int = HTTPStatus.OK) -> web.Response:
    sid, name = page.name("sid"), page.name("type")
    subscribed = await page.api.get(_TYPE, sid, name)
    return page.render(
        "subscriptions/type.html",
        status=HTTPStatus(status),
        subscription=await page.api.get(ONE, sid),
        subscribed=subscribed,
        versions=await _versions(page, name),
        problem=problem,
    )


async def _groups(page: PageRequest) -> Sequence[Group]:
    return await groups(page.api, page.request.app[PLANE].catalog)


async def _versions(page: PageRequest, name: str) -> Sequence[VersionChange]:
    """The versions of a type's schema, newest first."""
    schema_id = (await page.api.get("/v1/Types/{}", name))["schema_id"]
    said = page.request.app[PLANE].catalog.schemas[schema_id].versions
    found = []
    for each in await versions_of(page.api, schema_id):
        number = each["schema_version"]
        changes = await between(page.api, schema_id, number - 1, number) if number > 1 else ()
        found.append(VersionChange(each, said[number - 1].changes, changes))
    return found


def _type(name: str, version: str) -> str:
    """A value of ``Types``. A version that is not a number is passed on: the API says what is wrong with it."""
    wanted: dict[str, object] = {"type": name}
    if version:
        is_number = version.isascii() and version.isdecimal() and len(version) <= _MAX_DIGITS
        wanted["schema_version"] = int(version) if is_number else version
    return orjson.dumps(wanted).decode()


def _place(error: RefusedError) -> dict[str, str]:
    """What is wrong, by the form's field that it is about; an empty name means the whole form."""
    text = str(error).removeprefix("Subscription not created: ").removeprefix("Subscription not updated: ")
    sentence = text[:1].upper() + text[1:]
    return {_PLACES.get(error.code, "description" if text.startswith("Description") else ""): sentence}


_PLACES: Final[Mapping[int, str]] = {
    Code.BAD_FILTER: "filter",
    Code.SINK_NOT_FOUND: "sink",
    Code.BAD_SINK_SID: "sink",
    Code.SINK_IN_USE: "sink",
    Code.SINK_NOT_ACTIVE: "sink",
    Code.NO_EVENT_TYPES: "type",
    Code.EVENT_TYPE_NOT_FOUND: "type",
}


_SID: Final = "subscriptions/{sid}"
PAGES: Final[tuple[Page, ...]] = (
    get("subscriptions/new", new),
    post("subscriptions/new", create),
    get("subscriptions/versions", versions),
    post("subscriptions/preview", preview),
    get(f"{_SID}/edit", edit),
    post(f"{_SID}/edit", update),
    get(f"{_SID}/types", more),
    post(f"{_SID}/types", add),
    get(f"{_SID}/types/{{type}}", one_type),
    post(f"{_SID}/types/{{type}}", change_type),
)
