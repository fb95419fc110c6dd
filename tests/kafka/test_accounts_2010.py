"""The reference's API of subaccounts, API keys and auth tokens, driven by Twilio's own client, unmodified."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial

import pytest
import pytest_asyncio
from twilio.rest import Client

from eventstreams.settings import Settings
from tests.support.api import Api, call, refusal, with_new_account
from tests.support.installation import TOKEN
from tests.support.operator import client_of, operated
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings) -> AsyncIterator[Api]:
    async with operated(module_settings) as api:
        yield api


@pytest_asyncio.fixture(loop_scope="module")
async def api(shared: Api) -> Api:
    """The shared API, with an account that no other test has."""
    fresh = await with_new_account(shared)
    fresh.client = client_of(fresh.url, fresh.installation.account_sid, TOKEN)
    return fresh


def looks(client: Client) -> Callable[[], object]:
    """A request of ``client`` that ends with 404 where it may ask. (Its lists do not say how they were refused.)"""
    return lambda: client.events.v1.sinks("DG" + "0" * 32).fetch()


async def test_a_subaccount_is_made_and_acts_for_itself(api: Api) -> None:
    made = await call(lambda: api.client.api.v2010.accounts.create(friendly_name="Sub"))

    assert made.sid.startswith("AC")
    assert (made.friendly_name, made.status, made.type) == ("Sub", "active", "Full")
    assert made.owner_account_sid == api.installation.account_sid
    assert made.date_created.tzinfo is not None
    assert made.uri == f"/2010-04-01/Accounts/{made.sid}.json"
    assert len(made.auth_token) == 32
    sub = client_of(api.url, made.sid, made.auth_token)
    assert await call(sub.events.v1.sinks.list) == []
    sink = await call(
        lambda: sub.events.v1.sinks.create(
            description="its own", sink_type="webhook", sink_configuration={"destination": "https://a.example.com/"}
        )
    )
    assert [each.sid for each in await call(sub.events.v1.sinks.list)] == [sink.sid]
    assert await call(api.client.events.v1.sinks.list) == []


async def test_a_token_is_in_the_answer_to_the_creation_and_in_no_other(api: Api) -> None:
    made = await call(lambda: api.client.api.v2010.accounts.create(friendly_name="Sub"))

    fetched = await call(lambda: api.client.api.v2010.accounts(made.sid).fetch())
    listed = await call(api.client.api.v2010.accounts.list)
    renamed = await call(lambda: api.client.api.v2010.accounts(made.sid).update(friendly_name="Other"))

    assert [each.auth_token for each in (fetched, renamed, *listed)] == [None] * (2 + len(listed))


async def test_a_subaccount_without_a_name_gets_one(api: Api) -> None:
    made = await call(api.client.api.v2010.accounts.create)

    assert made.friendly_name.startswith("SubAccount Created at ")


async def test_accounts_are_listed_over_pages_and_filtered(api: Api) -> None:
    create = api.client.api.v2010.accounts.create
    made = [await call(partial(create, friendly_name=f"sub {number}")) for number in range(5)]

    listed = await call(lambda: api.client.api.v2010.accounts.list(page_size=2))
    named = await call(lambda: api.client.api.v2010.accounts.list(friendly_name="sub 3"))
    suspended = await call(lambda: api.client.api.v2010.accounts.list(status="suspended"))
    page = await call(lambda: api.client.api.v2010.accounts.page(page_size=4))
    following = await call(page.next_page)
    back = await call(following.previous_page)

    assert [each.sid for each in listed] == [api.installation.account_sid, *(each.sid for each in made)]
    assert [each.sid for each in named] == [made[3].sid]
    assert suspended == []
    assert [each.sid for each in following] == [each.sid for each in made[3:]]
    assert len(list(back)) == 4


async def test_a_subaccount_is_suspended_resumed_and_closed_for_good(api: Api) -> None:
    made = await call(lambda: api.client.api.v2010.accounts.create(friendly_name="Sub"))
    sub = client_of(api.url, made.sid, made.auth_token)
    context = api.client.api.v2010.accounts(made.sid)

    suspended = await call(lambda: context.update(status="suspended"))
    refused = await refusal(looks(sub))
    resumed = await call(lambda: context.update(status="active"))
    listed = await call(sub.events.v1.sinks.list)
    closed = await call(lambda: context.update(status="closed"))
    gone = await refusal(looks(sub))
    too_late = await refusal(lambda: context.update(status="active"))

    assert (suspended.status, resumed.status, closed.status) == ("suspended", "active", "closed")
    assert (refused.status, refused.code) == (401, 20003)
    assert listed == []
    assert (gone.status, gone.code) == (401, 20003)
    assert (too_late.status, too_late.code) == (409, 20409)


async def test_what_cannot_be_is_refused_with_a_reason(api: Api) -> None:
    made = await call(lambda: api.client.api.v2010.accounts.create(friendly_name="Sub"))
    sub = client_of(api.url, made.sid, made.auth_token)

    deeper = await refusal(lambda: sub.api.v2010.accounts.create(friendly_name="Subsub"))
    own = await refusal(lambda: sub.api.v2010.accounts(made.sid).update(status="closed"))
    up = await refusal(lambda: sub.api.v2010.accounts(api.installation.account_sid).fetch())
    named = await refusal(lambda: api.client.api.v2010.accounts.create(friendly_name="x" * 65))
    status = await refusal(lambda: api.client.api.v2010.accounts(made.sid).update(status="gone"))

    assert (deeper.status, deeper.code) == (403, 20403)
    assert (own.status, own.code) == (403, 20403)
    assert (up.status, up.code) == (404, 20404)
    assert (named.status, named.code) == (400, 20001)
    assert status.msg.endswith("Status must be one of active, suspended, closed")


async def test_an_account_has_a_thousand_subaccounts_at_most(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control_api.accounts.registry.MAX_SUBACCOUNTS", 2)
    made = [await call(lambda: api.client.api.v2010.accounts.create(friendly_name="Sub")) for _ in range(2)]

    refused = await refusal(lambda: api.client.api.v2010.accounts.create(friendly_name="Sub"))
    await call(lambda: api.client.api.v2010.accounts(made[0].sid).update(status="closed"))
    again = await call(lambda: api.client.api.v2010.accounts.create(friendly_name="Sub"))

    assert (refused.status, refused.code) == (400, 20001)
    assert again.status == "active"


async def test_of_many_closed_subaccounts_the_first_are_forgotten(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control_api.accounts.registry.MAX_KNOWN", 2)
    made = [await call(lambda: api.client.api.v2010.accounts.create(friendly_name="Sub")) for _ in range(2)]
    for each in made:
        await call(lambda sid=each.sid: api.client.api.v2010.accounts(sid).update(status="closed"))  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    refused = await refusal(lambda: api.client.api.v2010.accounts.create(friendly_name="Sub"))
    accounts = api.installation.feed.snapshot.accounts
    for each in made:
        await api.installation.put(replace(accounts[each.sid], updated_ms=1 if each is made[1] else 2))
    again = await call(lambda: api.client.api.v2010.accounts.create(friendly_name="Sub"))

    assert refused.status == 400
    assert refused.msg.endswith("try again in an hour")
    await api.installation.feed.catch_up()
    assert made[1].sid not in accounts
    assert {made[0].sid, again.sid} <= set(accounts)


async def test_keys_are_made_used_listed_and_revoked(api: Api) -> None:
    account = api.client.api.v2010.accounts(api.installation.account_sid)

    made = await call(lambda: account.new_keys.create(friendly_name="Key"))
    with_key = client_of(api.url, made.sid, made.secret, account_sid=api.installation.account_sid)
    sinks = await call(with_key.events.v1.sinks.list)
    fetched = await call(lambda: account.keys(made.sid).fetch())
    renamed = await call(lambda: account.keys(made.sid).update(friendly_name="Other"))
    listed = await call(account.keys.list)
    deleted = await call(lambda: account.keys(made.sid).delete())
    refused = await refusal(looks(with_key))

    assert made.sid.startswith("SK")
    assert len(made.secret) >= 43
    assert sinks == []
    assert (fetched.friendly_name, renamed.friendly_name) == ("Key", "Other")
    assert [each.sid for each in listed] == [made.sid]
    assert not hasattr(listed[0], "secret")
    assert deleted is True
    assert (refused.status, refused.code) == (401, 20003)


async def test_an_owner_makes_keys_for_its_subaccount_which_are_the_subaccounts(api: Api) -> None:
    made = await call(lambda: api.client.api.v2010.accounts.create(friendly_name="Sub"))
    await api.sink(description="the owner's")

    key = await call(api.client.api.v2010.accounts(made.sid).new_keys.create)
    with_key = client_of(api.url, key.sid, key.secret, account_sid=made.sid)

    assert await call(with_key.events.v1.sinks.list) == []
    assert [each.sid for each in await call(with_key.api.v2010.accounts.list)] == [made.sid]


async def test_tokens_rotate_as_the_references_do(api: Api) -> None:
    sub = await call(lambda: api.client.api.v2010.accounts.create(friendly_name="Sub"))
    first = client_of(api.url, sub.sid, sub.auth_token)

    made = await call(lambda: first.accounts.v1.secondary_auth_token().create())
    second = client_of(api.url, sub.sid, made.secondary_auth_token)
    both = [await call(each.events.v1.sinks.list) for each in (first, second)]
    again = await refusal(lambda: second.accounts.v1.secondary_auth_token().create())
    promoted = await call(lambda: second.accounts.v1.auth_token_promotion().update())
    old = await refusal(looks(first))

    assert made.account_sid == sub.sid
    assert both == [[], []]
    assert (again.status, again.code) == (409, 20409)
    assert promoted.account_sid == sub.sid
    assert promoted.auth_token is None  # it was shown once
    assert (old.status, old.code) == (401, 20003)
    assert await call(second.events.v1.sinks.list) == []


async def test_a_secondary_token_can_be_taken_back(api: Api) -> None:
    sub = await call(lambda: api.client.api.v2010.accounts.create(friendly_name="Sub"))
    first = client_of(api.url, sub.sid, sub.auth_token)
    made = await call(lambda: first.accounts.v1.secondary_auth_token().create())

    deleted = await call(lambda: first.accounts.v1.secondary_auth_token().delete())
    refused = await refusal(looks(client_of(api.url, sub.sid, made.secondary_auth_token)))
    nothing = await refusal(lambda: first.accounts.v1.auth_token_promotion().update())

    assert deleted is True
    assert refused.status == 401
    assert (nothing.status, nothing.code) == (404, 20404)
    assert await call(first.events.v1.sinks.list) == []


async def test_another_process_knows_of_all_this_within_moments(api: Api) -> None:
    """The gateway authenticates against a snapshot as this one."""
    made = await call(lambda: api.client.api.v2010.accounts.create(friendly_name="Sub"))
    key = await call(api.client.api.v2010.accounts(made.sid).new_keys.create)

    await eventually(lambda: key.sid in api.installation.feed.snapshot.keys, what=lambda: "the key in another process")
    await call(lambda: api.client.api.v2010.accounts(made.sid).keys(key.sid).delete())
    await eventually(
        lambda: key.sid not in api.installation.feed.snapshot.keys, what=lambda: "the key gone there as well"
    )
    assert [each.sid for each in api.installation.feed.snapshot.subaccounts_of(api.installation.account_sid)] == [
        made.sid
    ]
