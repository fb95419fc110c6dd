"""The console, as a browser without a window sees it."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import SecretStr

from control_api.console.pages import ALL
from control_api.http.declared import Caller
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from sink_workers.role import worker_for
from tests.support.api import WEBHOOK, Api, authorization, call, post_form, raw, serving, with_new_account
from tests.support.console import Browser, Shown, signed_in
from tests.support.installation import SENT, TOKEN, Installation

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]

OPERATOR_TOKEN = "of-the-operator"
HOSTILE = "\"'><script>alert(1)</script>{{7*7}}</textarea>\u202e&amp;"
FILTER = "data.messageSid == '<script>alert(2)</script>'"
SIGN_IN = "/console/sign-in"
PART = {"HX-Request": "true"}
SINCE = "2026-03-29T04:00:00Z"
OPERATOR = "/operator/v1/Accounts"
AS_OPERATOR = {"Authorization": aiohttp.encode_basic_auth("operator", OPERATOR_TOKEN)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    log = SecretStr(str(tmp_path_factory.mktemp("log") / "log.sqlite"))
    changes = {"delivery_log": log, "operator_token": SecretStr(OPERATOR_TOKEN)}
    settings = module_settings.model_copy(update=changes)
    async with Installation(settings) as installation, serving(settings) as url:
        await installation.start(worker_for(load_plugin("webhook")))
        yield Api(installation, url)


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared: Api) -> Api:
    return await with_new_account(shared)


@pytest_asyncio.fixture(loop_scope="module")
async def browser(api: Api) -> AsyncIterator[Browser]:
    async with signed_in(api.url, api.installation.account_sid, TOKEN) as browser:
        yield browser


async def test_a_sink_is_made_and_tested_from_signing_in_to_the_answer_of_its_test(api: Api) -> None:
    async with Receiver() as receiver, Browser(api.url) as browser:
        asked = await browser.get("/console/sinks")
        assert (asked.url, "Sign in" in asked.words) == (f"{SIGN_IN}?next=/console/sinks", True)
        await browser.sign_in(api.installation.account_sid, TOKEN)
        empty = await browser.get("/console/sinks")
        assert (empty.url, "Create your first sink" in empty.words) == ("/console/sinks", True)

        made = await browser.send("/console/sinks/new/webhook", {"description": "mine", "c.destination": receiver.url})

        assert made.url.endswith("?said=created")
        path = made.url.partition("?")[0]
        sent = await browser.send(f"{path}/test", {}, page=path)
        assert "on its way" in sent.words
        look = re.search(r'hx-get="([^"]+test-answer[^"]+)"', sent.text)
        assert look is not None
        await browser.until(look[1], "Delivered after", headers=PART)
        probed = await browser.send(f"{path}/probe", {}, page=path)
        assert "The connection works. No event was delivered:" in probed.words


async def test_the_list_of_sinks_says_where_each_goes_and_how_it_is(browser: Browser, api: Api) -> None:
    async with Receiver(lambda _: web.Response(status=400)) as receiver:
        sink = await api.sink(sink_configuration={"destination": receiver.url})
        path = f"/console/sinks/{sink.sid}"
        await browser.send(f"{path}/test", {}, page=path)

        await browser.until(f"{path}/health", "refuses events", headers=PART)

        listed, shown = await browser.get("/console/sinks"), await browser.get(path)
    assert receiver.url in listed.words
    assert "It answers, but permanently refused the last event" in shown.words


async def test_each_type_of_sink_that_can_be_made_says_where_its_events_go(browser: Browser) -> None:
    shown = await browser.get("/console/sinks/new")

    assert "Signed HTTP requests to a URL of yours." in shown.words
    assert "An Amazon Kinesis data stream." in shown.words
    assert "email" not in shown.words  # there is no mail server here


async def test_pages_of_somebody_else_say_who_to_sign_in_as(browser: Browser, api: Api) -> None:
    async with signed_in(api.url, "operator", OPERATOR_TOKEN) as operator:
        of_account = await operator.get("/console/sinks")
    of_operator = await browser.get("/console/accounts")

    assert (of_account.status, "sign in as the account" in of_account.words) == (404, True)
    assert (of_operator.status, "sign in as the operator" in of_operator.words) == (404, True)


async def test_what_is_done_here_is_on_the_audit_trail_as_if_a_client_had_done_it(browser: Browser, api: Api) -> None:
    fields = {"description": "watched", "c.destination": "https://hooks.example.com"}
    made = await browser.send("/console/sinks/new/webhook", fields)

    _, trail = await raw(api, "GET", "/v1/AuditEvents")

    sid = made.url.partition("?")[0].rpartition("/")[2]
    (event,) = [each for each in trail["audit_events"] if each["resource_sid"] == sid]
    assert (event["actor_sid"], event["outcome"], event["source_ip_address"]) == (
        api.installation.account_sid,
        "done",
        "127.0.0.1",
    )


async def test_a_sink_is_paused_changed_and_deleted(browser: Browser, api: Api) -> None:
    path = f"/console/sinks/{(await api.sink()).sid}"

    paused = await browser.send(f"{path}/delivery", {"Paused": "true"}, page=path)
    slow = await browser.send(f"{path}/delivery", {"RateLimit": "2.5"}, page=path)
    wrong = await browser.send(f"{path}/delivery", {"RateLimit": "fast"}, page=path)
    changed = await browser.send(
        f"{path}/edit", {"description": "other", "c.destination": "https://hooks.example.com/b", "c.batch_events": "on"}
    )
    deleted = await browser.send(f"{path}/delete", {})

    assert "It is paused: its events wait." in paused.words
    assert 'value="2.5"' in slow.text
    assert (wrong.status, "RateLimit must be a number of events per second" in wrong.words) == (400, True)
    assert ("other" in changed.words, '"batch_events": true' in changed.words) == (True, True)
    assert (deleted.url, "Deleted." in deleted.words) == ("/console/sinks?said=deleted", True)


async def test_a_change_whose_description_is_refused_leaves_events_where_they_go(browser: Browser, api: Api) -> None:
    path = f"/console/sinks/{(await api.sink()).sid}"
    before = (await browser.get(f"{path}/edit")).text

    refused = await browser.send(
        f"{path}/edit", {"description": " ", "c.destination": "https://elsewhere.example.com/"}
    )

    assert (refused.status, "elsewhere.example.com" in refused.text) == (400, True)
    assert "elsewhere.example.com" not in before + (await browser.get(path)).text


async def test_what_is_wrong_with_a_sink_stands_beside_the_field_that_it_is_said_of(browser: Browser) -> None:
    path = "/console/sinks/new/webhook"

    form = await browser.get(path)
    no_url = await browser.send(path, {"description": "x", "c.destination": "hooks.example.com"})
    no_description = await browser.send(path, {"description": " ", "c.destination": "https://hooks.example.com"})
    too_many = await browser.send(path, {"description": "x", "c.destination": "https://a.example", "c.headers": "é: 1"})

    needed = {each.get("name") for each in form.tree.iter("input") if each.get("required") is not None}
    assert needed == {"description", "c.destination"}  # and nothing of a group that is not in use
    assert no_url.status == no_description.status == too_many.status == 400
    assert 'id="p-c.destination" role="alert">It must be an http or https URL with a host<' in no_url.text
    assert 'id="p-description" role="alert">Description is empty<' in no_description.text
    assert 'id="p-c.headers"' in too_many.text
    assert 'value="hooks.example.com"' in no_url.text


async def test_a_form_that_is_sent_twice_makes_one_sink_and_another_form_another(browser: Browser, api: Api) -> None:
    path = "/console/sinks/new/webhook"
    page = await browser.get(path)
    once = re.findall(r'name="once" value="([^"]+)"', page.text)[0]
    fields = {"csrf": page.csrf, "once": once, "description": "one", "c.destination": "https://hooks.example.com"}

    first, again = [await browser.ask("POST", path, data=fields) for _ in range(2)]
    other = await browser.ask("POST", path, data={**fields, "description": "another"})

    assert (first.status, other.status, first.url) == (200, 200, again.url)
    assert len(await call(api.client.events.v1.sinks.list)) == 2


async def test_secrets_are_never_shown_back_and_stay_where_they_are_not_given_again(browser: Browser, api: Api) -> None:
    config = {**WEBHOOK, "headers": {"X-Key": "sesame-1"}, "standard_webhooks": {}}
    sink = await api.sink(sink_configuration=config)
    path = f"/console/sinks/{sink.sid}"

    form = await browser.get(f"{path}/edit")
    saved = await browser.send(
        f"{path}/edit",
        {
            "description": "renamed",
            "c.destination": "https://hooks.example.com/a",
            "c.headers": "X-Key: ********",
            "c.standard_webhooks": "on",
        },
    )

    assert "X-Key: ********" in form.text
    assert "sesame" not in form.text + saved.text
    assert "renamed" in saved.words
    _, shown = await raw(api, "GET", f"/v1/Sinks/{sink.sid}/Configuration")
    assert shown["sink_configuration"]["headers"] == {"X-Key": "********"}
    assert shown["sink_configuration"]["standard_webhooks"]["secret"] == "********"


async def test_a_signing_secret_is_shown_where_it_is_asked_for_and_can_be_followed_by_another(
    browser: Browser, api: Api
) -> None:
    plain = await api.sink()
    sink = await api.sink(sink_configuration={**WEBHOOK, "standard_webhooks": {}})
    path = f"/console/sinks/{sink.sid}"

    none = await browser.get(f"/console/sinks/{plain.sid}/signing")
    first = await browser.get(f"{path}/signing")
    second = await browser.send(f"{path}/signing", {"GraceSeconds": "60"})
    wrong = await browser.send(f"{path}/signing", {"GraceSeconds": "long"})

    assert "has no signing secret" in none.words
    secret, following = (re.findall(r'data-copy="(whsec_[^"]+)"', each.text)[0] for each in (first, second))
    assert secret != following
    assert "Earlier secrets are still used for signing as well" in second.words
    assert (wrong.status, "GraceSeconds must be" in wrong.words) == (400, True)
    assert secret not in (await browser.get(path)).text


async def test_a_subscription_is_made_filtered_changed_and_deleted(browser: Browser, api: Api) -> None:
    sink = await api.sink()
    fields = {"description": "messages", "sink": sink.sid, "type": SENT, f"version.{SENT}": "7"}

    wrong = await browser.send("/console/subscriptions/new", {**fields, "filter": "data.nothing == 1"})
    made = await browser.send("/console/subscriptions/new", {**fields, "filter": "data.to != ''"})

    assert (wrong.status, 'id="p-filter"' in wrong.text, f'value="{SENT}" checked' in wrong.text) == (400, True, True)
    assert made.url.endswith("?said=created")
    path = made.url.partition("?")[0]
    assert "data.to != ''" in made.words
    version = await browser.send(f"{path}/types/{SENT}", {"version": "8"})
    assert (version.status, "Saved." in version.words) == (200, True)
    more = await browser.send(f"{path}/types", {"type": "com.twilio.messaging.message.read"})
    assert "com.twilio.messaging.message.read" in more.words
    less = await browser.send(f"{path}/types/com.twilio.messaging.message.read", {"remove": "yes"})
    assert "com.twilio.messaging.message.read" not in less.words
    shorter = await browser.send(f"{path}/delivery", {**_settings(less), "Ttl": "30m"}, page=path)
    assert 'name="Ttl" aria-describedby="h-Ttl" type="text" value="30m"' in shorter.text
    too_long = await browser.send(f"{path}/delivery", {**_settings(less), "Ttl": "30d"}, page=path)
    assert (too_long.status, 'id="p-Ttl"' in too_long.text) == (400, True)
    paused = await browser.send(f"{path}/pause", {"Paused": "true"}, page=path)
    assert "It is paused: its events wait until their deadlines." in paused.words
    other = await browser.send(f"{path}/edit", {"description": "other", "filter": ""})
    assert "other" in other.words
    assert "None: every event of these types." in other.words
    deleted = await browser.send(f"{path}/delete", {})
    assert "Subscribe to your first events" in deleted.words


async def test_a_filter_is_tried_on_the_events_of_late(browser: Browser, api: Api) -> None:
    await api.installation.publish([api.installation.event(1)])
    await api.sink()
    fields = {"type": SENT, "filter": "data.messageSid == 'none'"}

    part = await browser.send("/console/subscriptions/preview", fields, page="/console/subscriptions/new", headers=PART)
    whole = await browser.send("/console/subscriptions/preview", fields, page="/console/subscriptions/new")
    wrong = await browser.send(
        "/console/subscriptions/preview",
        {**fields, "filter": "data.to =="},
        page="/console/subscriptions/new",
        headers=PART,
    )

    assert "Of 1 recent event it takes 0" in part.words
    assert "<html" not in part.text
    assert "Of 1 recent event it takes 0" in whole.words
    assert (wrong.status, "it ends prematurely" in wrong.words, "<html" in wrong.text) == (400, True, False)


async def test_the_versions_of_a_schema_say_what_they_differ_in(browser: Browser) -> None:
    versions = await browser.get(f"/console/subscriptions/versions?type={SENT}", headers=PART)
    catalogue = await browser.get("/console/catalogue")
    newest = await browser.get(f"/console/catalogue/{SENT}")
    second = await browser.get(f"/console/catalogue/{SENT}?version=2")
    wrong = await browser.get(f"/console/catalogue/{SENT}?version=99")

    assert f'"eventName": "{SENT}"' in newest.words
    assert '"messageStatus": "SENT"' in newest.words
    assert "8 compared with 7" in versions.words
    assert SENT in catalogue.words
    assert "Example" in newest.words
    assert "Differences from version 1" in second.words
    assert wrong.status == 404


def _settings(page: Shown) -> dict[str, str]:
    """What the form of delivery settings has."""
    found = {each.get("name"): each.get("value") for each in page.tree.iter("input")}
    return {name: found[name] or "" for name in ("Ttl", "RetryDelays", "MaxAttempts", "Partitions")}


async def _made_account(api: Api) -> tuple[str, str]:
    """SID and token of an account whose credentials may come to harm."""
    async with Browser(api.url) as browser:
        made = await browser.ask("POST", OPERATOR, data={"FriendlyName": "another"}, headers=AS_OPERATOR)
    found = json.loads(made.text)
    return found["sid"], found["auth_token"]


# -- sessions ------------------------------------------------------------------------------------------------------


async def test_the_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(browser: Browser, api: Api) -> None:
    async with Browser(api.url) as other:
        form = await other.get(SIGN_IN)
    cookie = form.headers["Set-Cookie"]

    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert TOKEN not in "".join(browser.cookies().values())
    assert api.installation.account_sid not in "".join(browser.cookies().values())


async def test_behind_https_the_cookie_goes_by_https_alone(api: Api) -> None:
    async with Browser(api.url) as browser:
        form = await browser.get(SIGN_IN, headers={"X-Forwarded-Proto": "https"})

    assert form.headers["Set-Cookie"].startswith("__Host-")
    assert "Secure" in form.headers["Set-Cookie"].split("; ")


async def test_every_answer_carries_the_policy_and_none_lets_another_site_read_it(browser: Browser) -> None:
    page = await browser.get("/console/sinks")
    missing = await browser.get("/console/nothing")
    style = re.search(r'href="(/console/static/console[^"]+)"', page.text)
    assert style is not None
    static = await browser.get(style[1])
    again = await browser.get(style[1], headers={"If-None-Match": static.headers["ETag"]})

    for answer in (page, missing, static):
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert (missing.status, missing.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert page.headers["Cache-Control"] == "no-store"
    assert (static.headers["Cache-Control"], again.status) == ("public, max-age=31536000, immutable", 304)
    assert not re.search(r'<style|style="|<script(?! src="/console/static/)| on[a-z]+="', page.text)
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', page.text)


@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        pytest.param({"csrf": ""}, {}, id="without its token"),
        pytest.param({"csrf": "another's"}, {}, id="with another's token"),
        pytest.param({}, {"Sec-Fetch-Site": "cross-site"}, id="from another site"),
        pytest.param({}, {"Sec-Fetch-Site": "same-site"}, id="from a neighbour"),
        pytest.param({}, {"Origin": "https://evil.example"}, id="of another origin"),
        pytest.param({}, {"Origin": "null"}, id="of no origin"),
    ],
)
async def test_a_form_that_no_page_of_the_session_sent_changes_nothing(
    browser: Browser, api: Api, changes: dict[str, str], headers: dict[str, str]
) -> None:
    fields = {"description": "forged", "c.destination": "https://evil.example", **changes}

    refused = await browser.send("/console/sinks/new/webhook", fields, headers=headers)

    assert (refused.status, "nothing was changed" in refused.words) == (403, True)
    assert await call(api.client.events.v1.sinks.list) == []


async def test_a_form_of_our_own_origin_is_taken(browser: Browser, api: Api) -> None:
    fields = {"description": "own", "c.destination": "https://hooks.example.com"}

    made = await browser.send("/console/sinks/new/webhook", fields, headers={"Origin": api.url})

    assert made.url.endswith("?said=created")


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        pytest.param("/console/events?after=0001-01-01T00:00%2B14:00", None, id="a time before the calendar"),
        pytest.param("/console/dead-letters?After=9999-12-31T23:59-14:00", None, id="a time after the calendar"),
        pytest.param("/console/events?type=%ed%a0%80%00", None, id="half a surrogate pair"),
        pytest.param("/console/events?PageSize=" + "9" * 5000, None, id="a page that is too large"),
        pytest.param("/console/sinks?PageToken=PT" + "_" * 999, None, id="a page that is none"),
        pytest.param("/console/subscriptions/versions?type=" + "%2e" * 999, None, id="a type that is none"),
        pytest.param(
            "/console/subscriptions/new", {"type": SENT, f"version.{SENT}": "9" * 30}, id="a version beyond JSON"
        ),
        pytest.param(
            "/console/subscriptions/new", {"type": SENT, f"version.{SENT}": "9" * 5000}, id="a version beyond Python"
        ),
        pytest.param("/console/sinks/new/webhook", {"description": "x", "c.batch_max_events": "9" * 30}, id="a number"),
        pytest.param("/console/sinks/new/webhook", {"description": "x", "c.batch_max_events": "nan"}, id="no number"),
        pytest.param("/console/send", {"event": '{"data": NaN}'}, id="an event that is no JSON"),
        pytest.param("/console/send", {"event": "[" * 9999}, id="an event without an end"),
    ],
)
async def test_whatever_is_asked_or_filled_in_is_answered_in_words(
    browser: Browser, path: str, fields: dict[str, str] | None
) -> None:
    shown = await browser.get(path) if fields is None else await browser.send(path, fields)

    assert shown.status in {200, 400, 404}
    assert "Internal error" not in shown.words


async def test_nobody_is_kept_waiting_by_a_content_type(api: Api) -> None:
    async with Browser(api.url) as browser:
        shown = await browser.ask("POST", SIGN_IN, data=b"a", headers={"Content-Type": "a/" + ";" * 8000})

    assert shown.status == 415
    assert "Content-Type has more than 256 characters" in shown.words


@pytest.mark.parametrize("origin", ["http://[", "http://a]b", "http://\u2100", "", "x" * 8000])
async def test_an_origin_that_is_none_is_that_of_another_site(api: Api, browser: Browser, origin: str) -> None:
    fields = {"description": "forged", "c.destination": "https://evil.example"}

    refused = await browser.send("/console/sinks/new/webhook", fields, headers={"Origin": origin})

    assert refused.status == 403
    assert await call(api.client.events.v1.sinks.list) == []


async def test_a_session_ends_when_the_token_is_rotated(api: Api) -> None:
    sid, token = await _made_account(api)
    async with signed_in(api.url, sid, token) as browser:
        await browser.ask("POST", f"{OPERATOR}/{sid}/RotateToken", data={"GraceSeconds": "0"}, headers=AS_OPERATOR)

        part = await browser.get("/console/sinks/DG/health", headers=PART)
        page = await browser.get("/console/sinks")

    assert part.headers["HX-Redirect"] == f"{SIGN_IN}?said=ended"
    assert page.url == f"{SIGN_IN}?next=/console/sinks"  # the cookie is gone


async def test_a_session_ends_when_its_account_is_suspended(api: Api) -> None:
    sid, token = await _made_account(api)
    async with signed_in(api.url, sid, token) as browser:
        csrf = (await browser.get("/console/sinks")).csrf
        form = {"csrf": csrf, "description": "late", "c.destination": "https://hooks.example.com"}
        await browser.ask("POST", f"{OPERATOR}/{sid}", data={"Status": "suspended"}, headers=AS_OPERATOR)

        ended = await browser.ask("POST", "/console/sinks/new/webhook", data=form)

    assert ended.url == f"{SIGN_IN}?said=ended"
    assert "Your session has expired: sign in again." in ended.words


async def test_a_session_ends_when_its_key_is_deleted_and_a_key_does_what_it_may(api: Api) -> None:
    _, key = await post_form(api, "/v1/Keys", FriendlyName="reader", Scope="read")
    fields = {"description": "x", "c.destination": "https://a.example"}
    async with signed_in(api.url, key["sid"], key["secret"]) as reader:
        looked = await reader.get("/console/sinks")
        refused = await reader.send("/console/sinks/new/webhook", fields)
        headers = authorization(api)
        await reader.ask("DELETE", f"/v1/Keys/{key['sid']}", headers=headers)
        ended = await reader.get("/console/sinks")

    assert looked.status == 200
    assert (refused.status, "has the scope read" in refused.words) == (403, True)
    assert "Your session has expired" in ended.words


async def test_signing_out_ends_the_session_in_this_browser(browser: Browser) -> None:
    out = await browser.send("/console/sign-out", {}, page="/console/sinks")
    then = await browser.get("/console/sinks")

    assert "You are signed out." in out.words
    assert then.url == f"{SIGN_IN}?next=/console/sinks"


async def test_whoever_tries_tokens_out_is_slowed_down_as_at_the_api(api: Api) -> None:
    sid, _ = await _made_account(api)
    async with Browser(api.url) as browser:
        tried = [await browser.sign_in(sid, f"wrong-{number}") for number in range(11)]

    assert [each.status for each in tried] == [403] * 10 + [429]
    assert "The SID and token do not match" in tried[0].words
    assert "wrong-0" not in tried[0].text
    assert "Retry-After" in tried[-1].headers


@pytest.mark.parametrize(
    "where", ["https://evil.example", "//evil.example", "/console/\\evil.example", "/v1/Sinks", ""]
)
async def test_signing_in_leads_nowhere_but_into_the_console(api: Api, where: str) -> None:
    async with Browser(api.url) as browser:
        fields = {"sid": api.installation.account_sid, "token": TOKEN, "next": where}
        went = await browser.send(SIGN_IN, fields, allow_redirects=False)

    assert (went.status, went.headers["Location"]) == (303, "/console/")


async def test_a_session_holds_at_every_replica_whichever_of_them_writes(
    browser: Browser, api: Api, tmp_path: Path
) -> None:
    log = SecretStr(str(tmp_path / "log.sqlite"))
    async with serving(api.installation.settings.model_copy(update={"delivery_log": log})) as second:
        there, browser.url = browser.url, second

        made = await browser.send(
            "/console/sinks/new/webhook",
            {"description": "made elsewhere", "c.destination": "https://hooks.example.com"},
        )

        browser.url = there
        here = await browser.get(made.url)

    assert (made.status, here.status, "made elsewhere" in here.words) == (200, 200, True)


# -- who may see what ----------------------------------------------------------------------------------------------


async def test_what_is_another_accounts_is_not_there(browser: Browser, api: Api) -> None:
    sink = await api.sink()
    subscription = await api.subscription(sink.sid, SENT)
    other = await with_new_account(api)

    async with signed_in(other.url, other.installation.account_sid, TOKEN) as stranger:
        csrf = (await stranger.get("/console/sinks")).csrf
        asked = {
            (each.method, each.path.replace("{sid}", sid).replace("{type}", SENT))
            for start, sid in (("sinks", sink.sid), ("subscriptions", subscription.sid))
            for each in ALL
            if each.path.startswith(f"/console/{start}/{{sid}}")
        }
        form = {"csrf": csrf, "Paused": "true", "type": SENT}
        got = {
            (method, path): await stranger.ask(method, f"{path}?since={SINCE}", data=form if method == "POST" else None)
            for method, path in asked
        }

    assert {each: shown.status for each, shown in got.items()} == dict.fromkeys(asked, 404)
    assert len(asked) > 20
    assert (await browser.get(f"/console/sinks/{sink.sid}")).status == 200


async def test_the_operators_pages_and_an_accounts_are_not_there_for_the_other(browser: Browser, api: Api) -> None:
    async with signed_in(api.url, "operator", OPERATOR_TOKEN) as operator:
        of_accounts = await operator.get("/console/sinks")
    of_the_operator = await browser.get("/console/accounts")

    assert (of_accounts.status, of_the_operator.status) == (404, 404)


async def test_the_operator_makes_accounts_and_keys_and_rotates_tokens(api: Api) -> None:
    async with signed_in(api.url, "operator", OPERATOR_TOKEN) as operator:
        made = await operator.send("/console/accounts", {"FriendlyName": "Acme"})
        sid, token = _copied(made)
        path = f"/console/accounts/{sid}"
        key = await operator.send(f"{path}/keys", {"FriendlyName": "ci", "Scope": "read"}, page=path)
        key_sid = re.findall(r'data-copy="(SK[0-9a-f]{32})"', key.text)[0]
        secret = re.findall(r'data-copy="([^"]+)"', key.text)[1]
        rotated = await operator.send(f"{path}/rotate", {"GraceSeconds": "3600"}, page=path)
        promoted = await operator.send(f"{path}/promote", {}, page=path)
        sub = await operator.send("/console/accounts", {"FriendlyName": "A part", "OwnerAccountSid": sid})
        wrong = await operator.send("/console/accounts", {"FriendlyName": "A part", "OwnerAccountSid": "AC1"})
        gone = await operator.send(f"{path}/keys/{key_sid}/delete", {}, page=path)
        suspended = await operator.send(path, {"Status": "suspended"})
        again = await operator.get(path)

    assert "it is not shown again" in made.words
    assert (len(token), len(secret) > 20, "Secret of key" in key.words) == (32, True, True)
    assert "A rotation is in progress" in rotated.words
    assert "A rotation is in progress" not in promoted.words
    assert sid in sub.words
    assert (wrong.status, "OwnerAccountSid is malformed" in wrong.words) == (400, True)
    assert key_sid not in gone.text
    assert "suspended" in suspended.words
    assert token not in again.text
    assert secret not in again.text


async def test_an_account_looks_after_its_own_keys_and_subaccounts(api: Api) -> None:
    path = "/console/account"
    async with signed_in(api.url, api.installation.account_sid, TOKEN) as browser:
        named = await browser.send(path, {"FriendlyName": "Acme"})
        key = await browser.send(f"{path}/keys", {"FriendlyName": "ci", "Scope": "read"}, page=path)
        key_sid, secret = re.findall(r'data-copy="(SK[0-9a-f]{32})"', key.text)[0], _once_shown(key)
        wrong = await browser.send(f"{path}/keys", {"FriendlyName": "ci", "Scope": "all"}, page=path)
        sub, token = await _subaccount(api, browser)
        held = await browser.send(f"{path}/subaccounts/{sub}", {"Status": "suspended"}, page=path)
        shown, trail = await browser.get(path), await browser.get(f"{path}/writes")
        gone = await browser.send(f"{path}/keys/{key_sid}/delete", {}, page=path)
    async with Browser(api.url) as suspended:
        refused = await suspended.sign_in(sub, token)

    assert ">Acme</span>" in named.text  # at the top, of who has signed in
    assert (wrong.status, "Scope" in wrong.words) == (400, True)
    assert ("suspended" in held.words, "Make active" in held.words) == (True, True)
    assert (secret in shown.text, token in shown.text) == (False, False)
    assert (key_sid in shown.text, key_sid in gone.text) == (True, False)
    assert "created API key" in trail.words
    assert "POST /v1/Keys" in trail.words
    assert refused.status == 403


async def test_an_account_rotates_its_own_token(api: Api) -> None:
    path = "/console/account"
    async with signed_in(api.url, api.installation.account_sid, TOKEN) as browser:
        sub, first = await _subaccount(api, browser)
    async with signed_in(api.url, sub, first) as browser:
        wrong = await browser.send(f"{path}/token", {"GraceSeconds": "a day"}, page=path)
        rotated = await browser.send(f"{path}/token", {"GraceSeconds": "3600"}, page=path)
        back = await browser.send(f"{path}/token/take-back", {}, page=path)
        second = _once_shown(await browser.send(f"{path}/token", {"GraceSeconds": "3600"}, page=path))
        shown = await browser.get(path)
        promoted = await browser.send(f"{path}/token/promote", {}, page=path)
    async with signed_in(api.url, sub, second) as browser:
        inside = await browser.get(path)

    assert (wrong.status, "GraceSeconds must be a whole number" in wrong.words) == (400, True)
    assert "Two tokens are valid until" in rotated.words
    assert "Two tokens are valid" not in back.words
    assert second not in shown.text
    assert promoted.url.startswith(SIGN_IN)  # who signed in with the first does so again
    assert "Create a new token" in inside.words


async def _subaccount(api: Api, browser: Browser) -> tuple[str, str]:
    """SID and token of one that was just made."""
    made = await browser.send("/console/account/subaccounts", {"FriendlyName": "A part"}, page="/console/account")
    [sid] = {each for each in re.findall(r"AC[0-9a-f]{32}", made.text) if each != api.installation.account_sid}
    return sid, _once_shown(made)


def _once_shown(page: Shown) -> str:
    found = re.search(r'class="secret".*?data-copy="([^"]+)"', page.text, re.DOTALL)
    assert found is not None, page.words
    return found[1]


async def test_a_key_that_may_only_look_sees_the_account_and_changes_nothing(api: Api) -> None:
    _, key = await post_form(api, "/v1/Keys", FriendlyName="reader", Scope="read")
    async with signed_in(api.url, key["sid"], key["secret"]) as reader:
        refused = await reader.send("/console/account/keys", {"FriendlyName": "x"}, page="/console/account")

    assert (refused.status, "has the scope read" in refused.words) == (403, True)


def _copied(page: Shown) -> tuple[str, str]:
    """The SID of an account that was just made, and its token."""
    sid, token = re.findall(r'data-copy="([^"]+)"', page.text)[:2]
    return sid, token


# -- what a browser makes of it ------------------------------------------------------------------------------------


OF_EVENTS = {"overview", "events", "dead-letters", "redrives", "send"}  # tests/browser shows them, with a delivery log


async def test_hostile_names_are_text_on_every_page_and_every_page_is_html(browser: Browser, api: Api) -> None:
    sink = await api.sink(description=HOSTILE, sink_configuration={**WEBHOOK, "headers": {"X-A": HOSTILE[:5]}})
    subscription = await api.subscription(sink.sid, SENT, description=HOSTILE)
    assert (await post_form(api, f"/v1/Subscriptions/{subscription.sid}/Delivery", Filter=FILTER))[0] == 200
    paths = [
        each.path
        for each in ALL
        if each.method == "GET" and each.caller is Caller.ACCOUNT and each.path.split("/")[2] not in OF_EVENTS
    ]
    query = {
        "/console/subscriptions/versions": f"?type={SENT}",
        f"/console/sinks/{sink.sid}/test-answer": f"?since={SINCE}",
    }
    seen = []

    for path in paths:
        sids = (sink.sid, "webhook") if path.startswith("/console/sinks") else (subscription.sid, SENT)
        asked = path.replace("{sid}", sids[0]).replace("{type}", sids[1])
        shown = await browser.get(f"{asked}{query.get(asked, '')}")
        assert shown.status == 200, (asked, shown.text)
        _check_harmless(shown)
        seen.append(shown)
    refused = await browser.send(
        "/console/sinks/new/webhook", {"description": HOSTILE, "c.destination": HOSTILE, "c.method": HOSTILE}
    )
    _check_harmless(refused)
    _check_harmless(await browser.get(f"/console/sinks/{quote(HOSTILE)}"))
    _check_harmless(await browser.get(f"/console/catalogue/{quote(HOSTILE)}"))
    _check_harmless(await browser.get(f"/console/sinks?said={quote(HOSTILE)}&PageToken={quote(HOSTILE)}"))

    assert sum("<script>alert(1)</script>" in each.words for each in seen) >= 8
    assert any("<script>alert(2)</script>" in each.words for each in seen)
    assert refused.status == 400
    assert HOSTILE in [each.get("value") for each in refused.tree.iter("input")]


async def test_hostile_names_of_accounts_and_keys_are_text_to_the_operator(api: Api) -> None:
    name = HOSTILE.replace("\u202e", "")[:60]
    async with signed_in(api.url, "operator", OPERATOR_TOKEN) as operator:
        made = await operator.send("/console/accounts", {"FriendlyName": name})
        sid, _ = _copied(made)
        path = f"/console/accounts/{sid}"
        keyed = await operator.send(f"{path}/keys", {"FriendlyName": name, "Scope": "full"}, page=path)
        listed = await operator.get("/console/accounts?PageSize=1000")

    for shown in (made, keyed, listed):
        assert "<script>alert(1)</script>" in shown.words
        _check_harmless(shown)


def _check_harmless(shown: Shown) -> None:
    """HTML without an error, with scripts, styles and links of ours alone, labels for all fields and plain text."""
    tree = shown.tree
    assert "\u202e" not in shown.words
    ids = [each.get("id") for each in tree.iter() if each.get("id")]
    assert len(ids) == len(set(ids)), [each for each in ids if ids.count(each) > 1]
    labelled = {each.get("for") for each in tree.iter("label")}
    for each in tree.iter():
        assert each.tag != "style"
        assert each.tag != "script" or str(each.get("src")).startswith("/console/static/")
        assert not [name for name in each.attrib if name.startswith("on") or name == "style"], each.attrib
        for name in ("href", "src", "action", "formaction", "hx-get", "hx-post"):
            target = each.get(name)
            assert target is None or target.startswith(("/", "#", "https://www.twilio.com/")), target
        if each.tag in {"input", "select", "textarea"} and each.get("type") != "hidden":
            assert each.get("id") in labelled or each.get("aria-label"), each.attrib
        for name in (each.get("aria-describedby") or "").split():
            assert name in ids, name


@pytest.mark.parametrize(
    ("accept", "status", "there"),
    [("text/html,*/*", 303, "/console/"), ("application/json", 404, None), ("*/*", 404, None)],
    ids=["a browser", "a program", "curl"],
)
async def test_the_root_is_the_consoles_for_browsers_alone(
    api: Api, accept: str, status: int, there: str | None
) -> None:
    async with Browser(api.url) as browser:
        answer = await browser.get("/", headers={"Accept": accept}, allow_redirects=False)

    assert (answer.status, answer.headers.get("Location")) == (status, there)
