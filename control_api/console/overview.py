"""The overview: the current flow from products to subscriptions to sinks, failures, and what waits."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from control_api.console.flow import Flow, flow_of
from control_api.console.flow_chart import BOX_HEIGHT, BOX_WIDTH, COLUMNS, HEAD_HEIGHT, WIDTH, chart_of
from control_api.console.live import stream
from control_api.console.page_request import PREFIX, Page, PageRequest, get
from eventstreams.http import RefusedError

PATH: Final = f"{PREFIX}overview"
_ALL: Final = {"PageSize": "100"}  # an account has at most as many sinks, and as many subscriptions
_TITLES: Final = ("Products", "Subscriptions", "Sinks")
_LISTS_EVERY: Final = 5  # looks: names and edges change rarely
_BACKLOG_EVERY: Final = 5  # looks: the API does not ask Kafka more often either


async def show(page: PageRequest) -> web.Response:
    flow = await Looking(page).look()
    return page.render("overview/show.html", status=HTTPStatus.OK, **_shown(flow))


async def live(page: PageRequest) -> web.StreamResponse:
    """The same, updated each second."""
    looking = Looking(page)

    async def look() -> Mapping[str, str]:
        flow = await looking.look()
        parts = {"flow": "overview/flow.html", "figures": "overview/figures.html", "table": "overview/table.html"}
        return {name: page.render_text(template, **_shown(flow)) for name, template in parts.items()}

    return await stream(page, look)


class Looking:
    """The repeated requests of one open page; what changes rarely is requested less often."""

    def __init__(self, page: PageRequest) -> None:
        self._page = page
        self._looks = 0
        self._subscriptions: list[dict[str, object]] = []
        self._sinks: list[dict[str, object]] = []
        self._backlog: list[dict[str, object]] | None = None  # not asked yet

    async def look(self) -> Flow:
        """The current flow. Raises ``RefusedError`` if the API refuses."""
        api = self._page.api
        if self._looks % _LISTS_EVERY == 0:
            self._subscriptions = (await api.get("/v1/Subscriptions", query=_ALL))["subscriptions"]
            self._sinks = (await api.get("/v1/Sinks", query=_ALL))["sinks"]
        counts = await api.get("/v1/Flow")
        if self._looks and (self._looks - 1) % _BACKLOG_EVERY == 0:  # not when the page is loaded: Kafka takes a while
            try:
                self._backlog = (await api.get("/v1/Backlog"))["subscriptions"]
            except RefusedError:
                self._backlog = None  # show the rest
        self._looks += 1
        return flow_of(counts, self._backlog, self._subscriptions, self._sinks)


def _shown(flow: Flow) -> dict[str, Any]:
    return {
        "flow": flow,
        "chart": chart_of(flow),
        "size": {
            "width": WIDTH,
            "box_width": BOX_WIDTH,
            "box_height": BOX_HEIGHT,
            "head": HEAD_HEIGHT,
            "columns": list(zip(_TITLES, COLUMNS, strict=True)),
        },
    }


PAGES: Final[tuple[Page, ...]] = (get("overview", show), get("overview/live", live))
