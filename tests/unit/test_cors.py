"""What a browser sends for a page of another site, with the password that a person typed at its prompt."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from control_api.http.cors import add_cors, refuse_cross_site
from eventstreams.http import answer_errors

SINKS, ACCOUNTS = "/v1/Sinks", "/operator/v1/Accounts"


@pytest.mark.parametrize(
    ("method", "path", "site", "mode", "expected"),
    [
        pytest.param("POST", SINKS, None, None, 200, id="no browser"),
        pytest.param("POST", ACCOUNTS, None, None, 200, id="no browser, operator"),
        pytest.param("POST", SINKS, "same-origin", "cors", 200, id="a page of our own"),
        pytest.param("POST", ACCOUNTS, "same-origin", "navigate", 200, id="a form of our own"),
        pytest.param("POST", SINKS, "cross-site", "cors", 200, id="a script, as the reference allows"),
        pytest.param("POST", SINKS, "cross-site", "navigate", 403, id="a form"),
        pytest.param("POST", SINKS, "same-site", "navigate", 403, id="a form of a neighbour"),
        pytest.param("POST", SINKS, "cross-site", "no-cors", 403, id="a script that may not read the answer"),
        pytest.param("POST", SINKS, "cross-site", None, 403, id="no mode"),
        pytest.param("POST", ACCOUNTS, "cross-site", "cors", 403, id="a script, operator"),
        pytest.param("DELETE", ACCOUNTS, "same-site", "cors", 403, id="another write, operator"),
        pytest.param("GET", ACCOUNTS, "cross-site", "navigate", 200, id="to look changes nothing"),
    ],
)
async def test_no_page_of_another_site_writes_with_what_the_browser_adds(
    method: str, path: str, site: str | None, mode: str | None, expected: int
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application(middlewares=[add_cors, answer_errors, refuse_cross_site("/operator/")])
    app.add_routes([web.route("*", SINKS, answer), web.route("*", ACCOUNTS, answer)])
    given = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
    headers = {name: value for name, value in given.items() if value is not None}
    async with TestClient(TestServer(app)) as client, client.request(method, path, headers=headers) as found:
        assert found.status == expected
        if expected == 403:
            assert (await found.json())["code"] == 20403
