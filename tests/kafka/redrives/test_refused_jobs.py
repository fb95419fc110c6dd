"""Redrives and replays that are refused, each with what would be right."""

from collections.abc import Mapping

import pytest
import pytest_asyncio

from eventstreams.control.records import Subscription
from tests.support.bare_api import BareApi, of_new_account
from tests.support.dead_letters import add_dead_letters
from tests.support.installation import DELIVERED, SENT, Installation

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture
def installation(shared_house: Installation) -> Installation:
    return shared_house


@pytest_asyncio.fixture(loop_scope="module")
async def api(installation: Installation, shared: BareApi) -> BareApi:
    return await of_new_account(shared, installation)


@pytest_asyncio.fixture(loop_scope="module")
async def subscription(installation: Installation, api: BareApi) -> Subscription:  # of the account of ``api``
    return await installation.subscribe(await installation.add_sink("https://hooks.example.com/"), SENT, DELIVERED)


@pytest.mark.parametrize(
    ("path", "form", "words"),
    [
        pytest.param("Redrives", {}, "Select what to redrive", id="no choice"),
        pytest.param("Redrives", {"Rate": "5"}, "Select what to redrive", id="only a rate"),
        pytest.param("Redrives", {"Subscription": "DF1"}, "Unknown parameter Subscription", id="misspelt"),
        pytest.param("Redrives", {"SubscriptionSid": "DF1"}, "32 hexadecimal", id="malformed subscription"),
        pytest.param("Redrives", {"Reason": "bad"}, "Reason must be one of refused", id="unknown reason"),
        pytest.param("Redrives", {"Code": "x"}, "such as 91305", id="code is no number"),
        pytest.param("Redrives", {"DeadLetterId": "1"}, "webhook.0.1234", id="malformed dead letter"),
        pytest.param("Redrives", {"After": "yesterday"}, "2026-03-29T04:00:00Z", id="no time"),
        pytest.param("Redrives", {"After": "2026-03-29T04:00:00"}, "2026-03-29T04:00:00Z", id="no offset"),
        pytest.param(
            "Redrives",
            {"After": "2026-03-29T04:00:00Z", "Before": "2026-03-29T04:00:00Z"},
            "earlier than Before",
            id="empty span",
        ),
        pytest.param("Redrives", {"Reason": "expired", "Rate": "0"}, "from 1 to 5000", id="rate too low"),
        pytest.param("Redrives", {"Reason": "expired", "Rate": "5001"}, "from 1 to 5000", id="rate too high"),
        pytest.param("Redrives", {"EventId": "x" * 256}, "255 characters", id="long value"),
        pytest.param("Redrives", {"Filter": "status =="}, "Filter must be CEL", id="no CEL"),
        pytest.param("Replays", {"Filter": "status > 1"}, "there is no status", id="filter of what events have not"),
        pytest.param("Replays", {"After": "2026-03-29T04:00:00Z"}, "SubscriptionSid", id="replay to nobody"),
        pytest.param("Replays", {"SubscriptionSid": "DF" + "0" * 32}, "After", id="replay since ever"),
        pytest.param("Replays", {"Reason": "expired"}, "Unknown parameter Reason", id="replay of a reason"),
    ],
)
async def test_a_wrong_job_is_refused_with_what_would_be_right(
    api: BareApi, path: str, form: Mapping[str, str], words: str
) -> None:
    for end in ("", "/Preview"):
        status, body = await api.ask("POST", f"/v1/{path}{end}", form)

        assert (status, body["code"]) == (400, 20001)
        assert words in body["message"]
    assert (await api.get("/v1/Redrives"))["redrives"] == []


@pytest.mark.parametrize("path", ["Redrives", "Replays"])
async def test_a_job_for_a_subscription_that_is_not_there_is_refused(api: BareApi, path: str) -> None:
    form = {"SubscriptionSid": "DF" + "0" * 32, "After": "2026-03-29T04:00:00Z"}
    for end in ("", "/Preview"):
        status, body = await api.ask("POST", f"/v1/{path}{end}", form)

        assert (status, body["code"], body["status"]) == (404, 20404, 404)
        assert body["message"].startswith(f"Subscription DF{'0' * 32} was not found")
        assert ("replay its events into another subscription" in body["message"]) is (path == "Redrives")
    assert (await api.get(f"/v1/{path}"))[path.lower()] == []


async def test_the_same_job_is_not_made_twice_and_an_account_has_ten_at_once(
    installation: Installation, api: BareApi, subscription: Subscription
) -> None:
    await add_dead_letters(installation, subscription, range(100))
    first = await api.post("/v1/Redrives", {"Reason": "refused", "Rate": "1"})

    status, same = await api.ask("POST", "/v1/Redrives", {"Reason": "refused", "Rate": "5"})
    assert (status, same["code"]) == (409, 20409)
    assert first["sid"] in same["message"]
    for number in range(9):
        await api.post("/v1/Redrives", {"Reason": "refused", "After": f"2026-01-0{number + 1}T00:00:00Z", "Rate": "1"})
    status, many = await api.ask("POST", "/v1/Redrives", {"Code": "91305"})
    assert status == 409
    assert "10 unfinished jobs" in many["message"]
    running = await api.get("/v1/Redrives?Status=completed")
    assert len(running["redrives"]) < 10
