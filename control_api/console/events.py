"""Events: find them by id, type and time, follow them live, and see where one went."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

import orjson
from aiohttp import web

from control_api.console.api import Json
from control_api.console.figures import utc
from control_api.console.live import stream
from control_api.console.page_request import PREFIX, Page, PageRequest, get
from control_api.console.render import next_page, page_query
from control_api.plane import PLANE
from eventstreams.http import RefusedError
from eventstreams.times import from_ms

PATH: Final = f"{PREFIX}events"
_LISTED: Final = 25
_ATTEMPTS: Final = 200  # of one event: a longer page helps nobody
_MOST_SHOWN: Final = 64 << 10  # characters of its JSON
_NEW_S: Final = 60.0  # how long an event may take to appear in the log after it was sent
_ALL: Final = {"PageSize": "100"}  # an account has at most as many sinks, and as many subscriptions
_DONE: Final = frozenset({"delivered", "dead", "filtered", "unrecorded"})
STATES: Final[Mapping[str, tuple[str, str]]] = {
    "routing": ("off", "accepted, on its way to the router"),
    "waiting": ("off", "waiting for its first attempt"),
    "retrying": ("warn", "waiting for its next attempt"),
    "delivered": ("good", "delivered"),
    "dead": ("bad", "dead letter"),
    "filtered": ("off", "excluded by the filter"),
    "unrecorded": ("warn", "settled, but not in the log"),
}
"""The style and the words for each state of a delivery."""
BECAME_OF: Final = (
    ("delivered", "good", "✓", "delivered"),
    ("retrying", "warn", "↻", "to be retried"),
    ("dead", "bad", "✕", "dead letter"),
    ("waiting", "off", "…", "waiting"),
    ("filtered_or_waiting", "off", "○", "excluded by the filter, or waiting"),
)
"""What became of an event: the API's count of subscriptions, its style, symbol and words."""
OUTCOMES: Final[Mapping[str, tuple[str, str]]] = {
    "delivered": ("good", "delivered"),
    "retry_later": ("warn", "failed, to be retried"),
    "rejected": ("bad", "refused: became a dead letter"),
    "died": ("bad", "became a dead letter"),
    "redriven": ("off", "redriven or replayed"),
}


async def list_all(page: PageRequest) -> web.Response:
    """The newest events, or those that match the form at the top."""
    query = page.request.query
    if wanted := query.get("id", "").strip():
        return page.redirect(_path(wanted))
    filters = {"Type": query.get("type", "").strip(), "After": _time(query, "after"), "Before": _time(query, "before")}
    given = {name: value for name, value in filters.items() if value}
    problem, events, meta = "", [], {}
    try:
        answer = await page.api.get("/v1/Events", query=[*given.items(), *page_query(query, _LISTED)])
        events, meta = answer["events"], answer["meta"]
    except RefusedError as error:
        if error.status != HTTPStatus.BAD_REQUEST:
            raise
        problem = str(error)
    follows = not problem and not given.keys() - {"Type"} and not {"Page", "PageToken"} & query.keys()
    return page.render(
        "events/list.html",
        status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
        query={name: query.get(name, "") for name in ("type", "after", "before")},
        problem=problem,
        events=events,
        became_of=BECAME_OF,
        types=page.request.app[PLANE].catalog.public_types(),
        follow=f"{PATH}/live?{urlencode({'type': filters['Type']})}" if follows else "",
        before=_console_query(query, next_page(meta, "previous_page_url")),
        after=_console_query(query, next_page(meta)),
    )


async def live(page: PageRequest) -> web.StreamResponse:
    """The newest events, updated each second."""
    wanted = page.request.query.get("type", "")
    given = {"Type": wanted} if wanted else {}

    async def look() -> Mapping[str, str]:
        found = await page.api.get("/v1/Events", query={**given, "PageSize": str(_LISTED)})
        flow = await page.api.get("/v1/Flow")
        came = sum(each["events"] for each in flow["accepted"] if not wanted or each["type"] == wanted)
        rate = came / flow["accepted_seconds"]
        return {
            "rows": page.render_text("events/rows.html", events=found["events"], became_of=BECAME_OF, steady=True),
            "rate": page.render_text("events/rate.html", rate=rate, shown=len(found["events"])),
        }

    return await stream(page, look)


async def show(page: PageRequest) -> web.Response:
    """Where one event went. If it was just sent, it may not be in the log yet: then the page waits for it."""
    event_id = page.name("id")
    try:
        found = await _found(page, event_id)
    except RefusedError as error:
        if error.status != HTTPStatus.NOT_FOUND or not _is_new(page):
            raise
        found = None
    template = "events/timeline.html" if page.is_part else "events/show.html"
    return page.render(
        template,
        id=event_id,
        found=found,
        moves=found is None or any(each["state"] not in _DONE for each in found["deliveries"]) or _is_new(page),
        sent=page.request.query.get("sent", ""),
        states=STATES,
        outcomes=OUTCOMES,
        most=_ATTEMPTS,
        names=await _names(page),
    )


async def content(page: PageRequest) -> web.Response:
    """The event as JSON: as it was published, or as a subscription gets it."""
    wanted = page.request.query.get("subscription", "")
    answer = await page.api.get(
        "/v1/Events/{}/CloudEvent", page.name("id"), query={"SubscriptionSid": wanted} if wanted else {}
    )
    event = answer["cloud_event"]
    text = "" if event is None else orjson.dumps(event, option=orjson.OPT_INDENT_2).decode()
    template = "events/json_part.html" if page.is_part else "events/json.html"
    return page.render(
        template,
        id=page.name("id"),
        text=text[:_MOST_SHOWN],
        left=max(len(text) - _MOST_SHOWN, 0),
        problem=answer["problem"],
        size=answer["size_bytes"],
        subscription=wanted,
    )


async def _found(page: PageRequest, event_id: str) -> Json:
    """The event from the API, with its attempts, oldest first."""
    found = await page.api.get("/v1/Events/{}", event_id)
    query = {"EventId": event_id, "PageSize": str(_ATTEMPTS)}
    attempts: Sequence[Json] = (await page.api.get("/v1/Attempts", query=query))["attempts"]
    deliveries = [{**each, "letter": _letter(each, attempts)} for each in found["deliveries"]]
    return {**found, "deliveries": deliveries, "tried": attempts[::-1]}


async def _names(page: PageRequest) -> Mapping[str, str]:
    """The descriptions of the account's subscriptions and sinks, by SID."""
    subscriptions = (await page.api.get("/v1/Subscriptions", query=_ALL))["subscriptions"]
    sinks = (await page.api.get("/v1/Sinks", query=_ALL))["sinks"]
    return {each["sid"]: each["description"] or each["sid"] for each in (*subscriptions, *sinks)}


def _letter(delivery: Json, attempts: Sequence[Json]) -> str:
    """The id of the dead letter that the event became for a subscription; empty if it did not."""
    if delivery["state"] != "dead" or delivery["offset"] is None:
        return ""
    mine = (each["sink_type"] for each in attempts if each["subscription_sid"] == delivery["subscription_sid"])
    sink_type = next(mine, "")
    return f"{sink_type}.{delivery['partition']}.{delivery['offset']}" if sink_type else ""


def _is_new(page: PageRequest) -> bool:
    """Whether the event was sent within the last minute, according to the page's URL."""
    try:
        sent = datetime.fromisoformat(page.request.query.get("sent", ""))
    except ValueError:
        return False
    now = from_ms(page.request.app[PLANE].clock())
    return sent.tzinfo is not None and abs((now - sent).total_seconds()) < _NEW_S


def _time(query: Mapping[str, str], name: str) -> str:
    return utc(query.get(name, "").strip())


def _console_query(query: Mapping[str, str], api_query: str) -> str:
    """The query of the next or previous page: our own filters, and the API's paging parameters."""
    if not api_query:
        return ""
    ours = urlencode([(name, query[name]) for name in ("type", "after", "before") if query.get(name)])
    theirs = "&".join(part for part in api_query.split("&") if part.startswith("Page"))
    return "&".join(part for part in (ours, theirs) if part)


def _path(event_id: str) -> str:
    return f"{PATH}/{quote(event_id, safe='', errors='replace')}"


PAGES: Final[tuple[Page, ...]] = (
    get("events", list_all),
    get("events/live", live),
    get("events/{id}", show),
    get("events/{id}/json", content),
)
