"""Subscriptions: which events go to which sink. List, how one is, pause, delivery settings, delete."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from control_api.console.api import Json
from control_api.console.render import next_page, page_query
from control_api.console.visit import PREFIX, Page, Visit, get, post
from eventstreams.durations import format_duration
from eventstreams.http import RefusedError

PATH: Final = f"{PREFIX}subscriptions"
ONE: Final = "/v1/Subscriptions/{}"
_LISTED: Final = 25
_SETTINGS: Final = ("Ttl", "RetryDelays", "MaxAttempts", "Partitions")


async def list_all(visit: Visit) -> web.Response:
    answer = await visit.api.get("/v1/Subscriptions", query=page_query(visit.request.query, _LISTED))
    meta = answer["meta"]
    return visit.page(
        "subscriptions/list.html",
        subscriptions=answer["subscriptions"],
        sinks={each["sid"]: each for each in await visit.api.listed("/v1/Sinks", key="sinks")},
        before=next_page(meta, "previous_page_url"),
        after=next_page(meta),
    )


async def state(visit: Visit) -> web.Response:
    """How it is delivered and how many types it has, for a row of the list."""
    sid = visit.name("sid")
    delivery = await visit.api.get(f"{ONE}/Delivery", sid)
    return visit.page("subscriptions/state.html", delivery=delivery, types=await _types(visit, sid))


async def show(visit: Visit) -> web.Response:
    return visit.page("subscriptions/show.html", **await _shown(visit))


async def pause(visit: Visit) -> web.Response:
    """Pause or resume."""
    form, sid = await visit.form(), visit.name("sid")
    paused = form.given("Paused") or ""
    try:
        await visit.api.post(f"{ONE}/Delivery", sid, form={"Paused": paused})
    except RefusedError as error:
        return visit.page(
            "subscriptions/show.html", status=HTTPStatus(error.status), **await _shown(visit, problem=str(error))
        )
    return visit.go(f"{PATH}/{sid}", said="paused" if paused == "true" else "resumed")


async def deliver(visit: Visit) -> web.Response:
    """Change the settings that the form has otherwise than they are: none becomes the subscription's own unasked."""
    form, sid = await visit.form(), visit.name("sid")
    given = {name: (form.given(name) or "").strip() for name in _SETTINGS}
    before = settings_of(await visit.api.get(f"{ONE}/Delivery", sid))
    changed = {name: value for name, value in given.items() if value != before[name]}
    try:
        if changed:
            await visit.api.post(f"{ONE}/Delivery", sid, form=changed)
    except RefusedError as error:
        name = next((each for each in _SETTINGS if each in str(error)), "")
        shown = await _shown(visit, given=given, wrong={name: str(error)})
        return visit.page("subscriptions/show.html", status=HTTPStatus(error.status), **shown)
    return visit.go(f"{PATH}/{sid}", said="updated")


async def confirm(visit: Visit) -> web.Response:
    subscription = await visit.api.get(ONE, visit.name("sid"))
    return visit.page("subscriptions/delete.html", subscription=subscription)


async def delete(visit: Visit) -> web.Response:
    await visit.form()
    await visit.api.delete(ONE, visit.name("sid"))
    return visit.go(PATH, said="deleted")


def settings_of(delivery: Json) -> dict[str, str]:
    """The settings of ``delivery`` as its form has them."""
    most = delivery["max_attempts"]
    return {
        "Ttl": _duration(delivery["ttl"]),
        "RetryDelays": ",".join(_duration(each) for each in delivery["retry_delays"]),
        "MaxAttempts": "" if most is None else str(most),
        "Partitions": str(delivery["partitions"]),
    }


def _duration(seconds: float) -> str:
    return format_duration(timedelta(seconds=seconds))


async def _shown(
    visit: Visit, *, problem: str = "", given: Mapping[str, str] | None = None, wrong: Mapping[str, str] | None = None
) -> Json:
    """What the page of a subscription shows."""
    sid = visit.name("sid")
    subscription = await visit.api.get(ONE, sid)
    delivery = await visit.api.get(f"{ONE}/Delivery", sid)
    return {
        "subscription": subscription,
        "sink": await visit.api.get("/v1/Sinks/{}", subscription["sink_sid"]),
        "delivery": delivery,
        "settings": settings_of(delivery) if given is None else given,
        "wrong": wrong or {},
        "problem": problem,
        "types": await _types(visit, sid),
        "schedule": await visit.api.get(f"{ONE}/RetrySchedule", sid),
    }


async def _types(visit: Visit, sid: str) -> list[dict[str, Any]]:
    return await visit.api.listed(f"{ONE}/SubscribedEvents", sid, key="types")


_SID: Final = "subscriptions/{sid}"
PAGES: Final[tuple[Page, ...]] = (
    get("subscriptions", list_all),
    get(_SID, show),
    get(f"{_SID}/state", state),
    post(f"{_SID}/pause", pause),
    post(f"{_SID}/delivery", deliver),
    get(f"{_SID}/delete", confirm),
    post(f"{_SID}/delete", delete),
)
