"""Dead letters listed and shown, on the real broker, and from a terminal."""

import json

import pytest

from eventstreams import headers as names
from eventstreams.control.records import Subscription
from eventstreams.reasons import DeadReason
from tests.support.bare_api import BareApi
from tests.support.dead_letters import add_dead_letters, copies, ids
from tests.support.installation import Installation
from tests.support.redrives import run_cli

pytestmark = pytest.mark.kafka


async def test_dead_letters_are_listed_newest_first_in_pages_and_one_is_shown_whole(
    installation: Installation, api: BareApi, subscription: Subscription
) -> None:
    await add_dead_letters(installation, subscription, range(300))
    await add_dead_letters(installation, subscription, [300, 301], reason=DeadReason.EXPIRED)

    found, url, pages = [], f"/v1/DeadLetters?SubscriptionSid={subscription.sid}&PageSize=100", 0
    while url:
        page = await api.get(url)
        found += [each["event_id"] for each in page["dead_letters"]]
        url, pages = page["meta"]["next_page_url"], pages + 1
    expired = await api.get("/v1/DeadLetters?Reason=expired")
    one = await api.get(expired["dead_letters"][0]["url"])

    assert found == [f"EZ{number}" for number in reversed(range(302))]
    assert pages == 4
    assert [each["event_id"] for each in expired["dead_letters"]] == ["EZ301", "EZ300"]
    assert expired["meta"]["key"] == "dead_letters"
    assert "data" not in expired["dead_letters"][0]
    assert one["data"] == installation.event(301).data
    assert (one["id"], one["reason"], one["code"], one["attempts"]) == ("webhook.0.301", "expired", 91300, 3)
    assert (one["detail"], one["status"], one["date_last_attempt"]) == ("gone for good", 410, "1970-01-01T00:00:08Z")


async def test_a_dead_letter_that_cannot_be_decoded_is_shown_with_what_is_wrong(
    installation: Installation, api: BareApi, subscription: Subscription
) -> None:
    dead = [(names.ACCOUNT, installation.account_sid.encode()), (names.REASON, b"undecodable"), (names.CODE, b"many")]
    await installation.put_raw(installation.topics.dead("webhook"), b"\xff", dead)

    [listed] = (await api.get("/v1/DeadLetters"))["dead_letters"]
    one = await api.get(listed["url"])

    assert (one["event_id"], one["code"], one["data"]) == (None, None, None)
    assert "is not a schema" in one["data_problem"]


async def test_dead_letters_are_listed_and_redriven_from_a_terminal(
    installation: Installation, api: BareApi, subscription: Subscription
) -> None:
    await add_dead_letters(installation, subscription, range(3))
    await add_dead_letters(installation, subscription, [3], reason=DeadReason.EXPIRED)

    listed = await run_cli(
        api, "dead-letters", "list", "--subscription", subscription.sid, "--reason", "refused", "--limit", "2"
    )
    nothing = await run_cli(api, "redrive", "--event-id", "EZ9")
    declined = await run_cli(api, "redrive", "--reason", "refused", answer="n\n")
    done = await run_cli(api, "redrive", "--reason", "refused", "--filter", "id != 'EZ1'", answer="y\n")
    refused = await run_cli(api, "redrive", "--yes")
    for_scripts = await run_cli(api, "redrive", "--event-id", "EZ1", "--yes", "-o", "json")
    nothing_for_scripts = await run_cli(api, "redrive", "--event-id", "EZ9", "-o", "json")

    assert listed[0] == 0
    assert [line.split("  ")[3] for line in listed[1].splitlines()[1:]] == ["EZ2", "EZ1"]  # below the head
    assert nothing == (0, "no dead letters are selected\n")
    assert declined[0] == 1
    assert "3 events" in declined[1]
    assert done[0] == 0, done
    assert "completed: 2 redriven" in done[1]
    assert refused[0] == 1
    assert "eventstreams: the API refuses: Select what to redrive" in refused[1]
    assert json.loads(for_scripts[1]).items() >= {"status": "completed", "redriven": 1}.items()
    assert json.loads(nothing_for_scripts[1]).items() >= {"selected": 0, "redriven": 0}.items()
    assert ids(await copies(installation, subscription)) == ["EZ0", "EZ2", "EZ1"]
