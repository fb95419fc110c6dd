"""Page tokens that say nothing to whoever holds them, and are good for nobody else."""

import base64
from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from control_api.http.paging import Page, PageQuery, envelope
from control_api.http.sealed_pages import seal, unseal
from control_api.plane import PLANE, ControlPlane
from eventstreams.control.records import Account
from eventstreams.control.vault import Vault, new_key
from eventstreams.http import ACCOUNT, answer_errors
from eventstreams.settings import Settings

MARK = "webhook:1234567"


async def listing(request: web.Request) -> web.Response:
    """A page that goes on from ``MARK``; it says which mark it was asked to go on from."""
    if sid := request.headers.get("Account"):
        request[ACCOUNT] = Account(sid=sid, friendly_name="", auth_token="", created_ms=0, updated_ms=0)
    query = PageQuery.parse(request.query)
    page = Page([unseal(request, query)], before=None, after=seal(request, MARK))
    return web.json_response(envelope(page, query, key="marks", url="", filters={}, show=lambda mark: {"mark": mark}))


async def ask(client: TestClient[web.Request, web.Application], path: str, account: str = "AC1") -> tuple[int, str]:
    async with client.get(path, headers={"Account": account}) as answer:
        told = await answer.json()
        return answer.status, told["message"] if "message" in told else f"{told['marks'][0]['mark']}"


async def test_a_page_token_opens_for_the_same_account_and_list_alone() -> None:
    app = web.Application(middlewares=[answer_errors])
    vault = Vault(Settings.load(secret_key=new_key()))
    app[PLANE] = cast(ControlPlane, SimpleNamespace(vault=vault))
    app.add_routes([web.get("/v1/DeadLetters", listing), web.get("/v1/AuditEvents", listing)])
    async with TestClient(TestServer(app)) as client:
        async with client.get("/v1/DeadLetters", headers={"Account": "AC1"}) as first:
            following = (await first.json())["meta"]["next_page_url"]
        token = following.rpartition("PageToken=")[2]
        clear = f"PT{base64.urlsafe_b64encode(b'0.' + MARK.encode()).decode().rstrip('=')}"

        assert await ask(client, f"/v1/DeadLetters{following}") == (200, MARK)
        refused = (400, "PageToken does not come from a page of this list")
        assert await ask(client, f"/v1/DeadLetters{following}", account="AC2") == refused
        assert await ask(client, f"/v1/DeadLetters{following}", account="") == refused
        assert await ask(client, f"/v1/AuditEvents{following}") == refused
        for wrong in (clear, f"{token[:-4]}AAAA", "PT", "PTMA", "%ff"):
            assert await ask(client, f"/v1/DeadLetters?PageToken={wrong}") == refused, wrong
        assert (await ask(client, "/v1/DeadLetters?Page=0"))[0] == 200
        assert await ask(client, "/v1/DeadLetters?Page=1") == (
            400,
            "Page alone does not continue this list: follow meta.next_page_url",
        )
    assert MARK.encode() not in base64.urlsafe_b64decode(token.removeprefix("PT") + "===")


@pytest.mark.parametrize("token", ["PT", "PB"])
def test_the_direction_of_a_token_is_no_secret(token: str) -> None:
    assert PageQuery(50, 0, token).backwards is (token == "PB")
