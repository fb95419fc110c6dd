"""The pages of subscriptions: list, show, pause, delivery settings, delete."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from control_api.console.api import Json
from control_api.console.page_request import PREFIX, Page, PageRequest, get, post
from control_api.console.render import next_page, page_query
from eventstreams.durations import format_duration
from eventstreams.http import RefusedError

PATH: Final = f"{PREFIX}subscriptions"
ONE: Final = "/v1/Subscriptions/{}"
_LISTED: Final = 25
_SETTINGS: Final = ("Ttl", "RetryDelays", "MaxAttempts", "Partitions")


async def list_all(page: PageRequest) -> web.Response:
    answer = await page.api.get("/v1/Subscriptions", query=page_query(page.request.query, _LISTED))
    meta = answer["meta"]
    return page.render(
        "subscriptions/list.html",
        subscriptions=answer["subscriptions"],
        sinks={each["sid"]: each for each in await page.api.listed("/v1/Sinks", key="sinks")},
        before=next_page(meta, "previous_page_url"),
        after=next_page(meta),
    )


async def state(page: PageRequest) -> web.Response:
    """The delivery settings and the number of types, for a row of the list."""
    sid = page.name("sid")
    delivery = await page.api.get(f"{ONE}/Delivery", sid)
    return page.render("subscriptions/state.html", delivery=delivery, types=await _types(page, sid))


async def show(page: PageRequest) -> web.Response:
    return page.render("subscriptions/show.html", **await _shown(page))


async def pause(page: PageRequest) -> web.Response:
    """Pause or resume."""
    form, sid = await page.form(), page.name("sid")
    paused = form.given("Paused") or ""
    try:
        await page.api.post(f"{ONE}/Delivery", sid, form={"Paused": paused})
    except RefusedError as error:
        return page.render(
            "subscriptions/show.html", status=HTTPStatus(error.status), **await _shown(page, problem=str(error))
        )
    return page.redirect(f"{PATH}/{sid}", said="paused" if paused == "true" else "resumed")


async def deliver(page: PageRequest) -> web.Response:
    """Change only the settings that differ in the form, so that inherited ones are not fixed by accident."""
    form, sid = await page.form(), page.name("sid")
    given = {name: (form.given(name) or "").strip() for name in _SETTINGS}
    before = settings_of(await page.api.get(f"{ONE}/Delivery", sid))
    changed = {name: value for name, value in given.items() if value != before[name]}
    try:
        if changed:
            await page.api.post(f"{ONE}/Delivery", sid, form=changed)
    except RefusedError as error:
        name = next((each for each in _SETTINGS if each in str(error)), "")
        shown = await _shown(page, given=given, wrong={name: str(error)})
        return page.render("subscriptions/show.html", status=HTTPStatus(error.status), **shown)
    return page.redirect(f"{PATH}/{sid}", said="updated")


async def confirm(page: PageRequest) -> web.Response:
    subscription = await page.api.get(ONE, page.name("sid"))
    return page.render("subscriptions/delete.html", subscription=subscription)


async def delete(page: PageRequest) -> web.Response:
    await page.form()
    await page.api.delete(ONE, page.name("sid"))
    return page.redirect(PATH, said="deleted")


def settings_of(delivery: Json) -> dict[str, str]:
    """The settings in ``delivery`` as the form's values."""
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
    page: PageRequest,
    *,
    problem: str = "",
    given: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
) -> Json:
    """The context of the page of a subscription."""
    sid = page.name("sid")
    subscription = await page.api.get(ONE, sid)
    delivery = await page.api.get(f"{ONE}/Delivery", sid)
    return {
        "subscription": subscription,
        "sink": await page.api.get("/v1/Sinks/{}", subscription["sink_sid"]),
        "delivery": delivery,
        "settings": settings_of(delivery) if given is None else given,
        "wrong": wrong or {},
        "problem": problem,
        "types": await _types(page, sid),
        "schedule": await page.api.get(f"{ONE}/RetrySchedule", sid),
    }


async def _types(page: PageRequest, sid: str) -> list[dict[str, Any]]:
    return await page.api.listed(f"{ONE}/SubscribedEvents", sid, key="types")


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
