"""Dead letters: their list, counts by reason, single ones; and redrives: preview, start, progress."""

from collections import Counter
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import orjson
from aiohttp import web

from control_api.console.api import Json
from control_api.console.figures import utc
from control_api.console.humanize import REASONS
from control_api.console.page_request import PREFIX, Page, PageRequest, get, post
from control_api.console.render import next_page
from control_api.plane import PLANE
from eventstreams.http import RefusedError

PATH: Final = f"{PREFIX}dead-letters"
JOBS: Final = f"{PREFIX}redrives"
_FILTERS: Final = ("SubscriptionSid", "Reason", "Type", "EventId", "After", "Before", "DeadLetterId")
_TIMES: Final = frozenset({"After", "Before"})
_LISTED: Final = 25
_COUNTED: Final = 1_000  # newest dead letters that are counted by reason: one page of the API
_SUBSCRIPTIONS: Final = "100"  # an account has at most as many
_MOST_SHOWN: Final = 64 << 10  # characters of one dead letter's data
_ENDED: Final = frozenset({"completed", "cancelled", "failed"})


async def list_all(page: PageRequest) -> web.Response:
    return await _list(page, page.request.query)


async def reasons(page: PageRequest) -> web.Response:
    """Counts of the newest dead letters by reason. Separate from the list, because it has to read more."""
    given = [each for each in _given(page.request.query) if each[0] != "Reason"]
    answer = await page.api.get("/v1/DeadLetters", query=[*given, ("PageSize", str(_COUNTED))])
    found = Counter(each["reason"] for each in answer["dead_letters"])
    links = [(name, number, urlencode([*given, ("Reason", name)])) for name, number in found.most_common()]
    return page.render("dead_letters/reasons.html", reasons=links, words=REASONS, more=bool(next_page(answer["meta"])))


async def show(page: PageRequest) -> web.Response:
    letter = await page.api.get("/v1/DeadLetters/{}", page.name("id"))
    data = letter["data"]
    text = "" if data is None else orjson.dumps(data, option=orjson.OPT_INDENT_2).decode()
    return page.render(
        "dead_letters/show.html",
        letter=letter,
        words=REASONS,
        text=text[:_MOST_SHOWN],
        left=len(text[_MOST_SHOWN:]),
    )


async def preview(page: PageRequest) -> web.Response:
    """Preview a redrive of the selected dead letters."""
    given = _given(dict((await page.form()).fields))
    try:
        found = await page.api.post("/v1/Redrives/Preview", form=given)
    except RefusedError as error:
        if page.is_part:
            return page.render("problem_part.html", problem={"message": str(error)})
        return await _list(page, dict(given), problem=str(error), status=error.status)
    if page.is_part:
        return page.render("dead_letters/preview.html", preview=found, given=given)
    return await _list(page, dict(given), preview=found)


async def redrive(page: PageRequest) -> web.Response:
    given = _given(dict((await page.form()).fields), ("Rate",))
    try:
        made = await page.api.post("/v1/Redrives", form=given)
    except RefusedError as error:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
        return await _list(page, dict(given), problem=str(error), status=error.status)
    return page.redirect(f"{JOBS}/{made['sid']}")


async def jobs(page: PageRequest) -> web.Response:
    """The account's redrives, newest first. The API lists them oldest first; there are at most 110."""
    found = (await page.api.get("/v1/Redrives", query={"PageSize": "200"}))["redrives"]
    return page.render("dead_letters/jobs.html", jobs=found[::-1], ended=_ENDED)


async def job(page: PageRequest) -> web.Response:
    """The progress of a redrive; a part of the page is refreshed until it has ended."""
    found = await page.api.get("/v1/Redrives/{}", page.name("sid"))
    template = "dead_letters/progress.html" if page.is_part else "dead_letters/job.html"
    return page.render(template, job=found, ended=found["status"] in _ENDED)


async def cancel(page: PageRequest) -> web.Response:
    await page.form()
    sid = page.name("sid")
    await page.api.post("/v1/Redrives/{}", sid, form={"Status": "cancelling"})
    return page.redirect(f"{JOBS}/{sid}")


async def _list(
    page: PageRequest,
    query: Mapping[str, str],
    *,
    problem: str = "",
    status: int = HTTPStatus.OK,
    preview: Json | None = None,
) -> web.Response:
    given = _given(query)
    letters: Sequence[Json] = []
    following = ""
    try:
        pages = [(name, query[name]) for name in ("Page", "PageToken") if name in query]
        wanted = [each for each in given if each[0] != "DeadLetterId"]
        answer = await page.api.get("/v1/DeadLetters", query=[*wanted, *pages, ("PageSize", str(_LISTED))])
        letters, following = answer["dead_letters"], next_page(answer["meta"])
    except RefusedError as error:
        if error.status != HTTPStatus.BAD_REQUEST:
            raise
        problem, status = problem or str(error), error.status
    subscriptions = await page.api.get("/v1/Subscriptions", query={"PageSize": _SUBSCRIPTIONS})
    return page.render(
        "dead_letters/list.html",
        status=HTTPStatus(status),
        letters=letters,
        query={name: query.get(name, "") for name in _FILTERS},
        given=given,
        reasons_query=urlencode(given),
        subscriptions=subscriptions["subscriptions"],
        names={each["sid"]: each["description"] or each["sid"] for each in subscriptions["subscriptions"]},
        types=page.request.app[PLANE].catalog.public_types(),
        reasons=REASONS,
        problem=problem,
        preview=preview,
        after=following,
    )


def _given(query: Mapping[str, str], more: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The form's filters as the API's parameters."""
    given = [(name, query[name].strip()) for name in (*_FILTERS, *more) if query.get(name, "").strip()]
    return [(name, utc(value) if name in _TIMES else value) for name, value in given]


PAGES: Final[tuple[Page, ...]] = (
    get("dead-letters", list_all),
    get("dead-letters/reasons", reasons),
    post("dead-letters/preview", preview),
    get("dead-letters/{id}", show),
    get("redrives", jobs),
    post("redrives", redrive),
    get("redrives/{sid}", job),
    post("redrives/{sid}/cancel", cancel),
)
