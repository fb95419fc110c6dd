"""Dead letters, redrives and replays through the API, on the real broker."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from eventstreams import headers as names
from eventstreams.control.records import Subscription, SubscriptionState
from eventstreams.kafka.producer import Acked
from eventstreams.reasons import DeadReason
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Receiver
from eventstreams.times import now_ms
from sink_workers.role import worker_for
from tests.support.bare_api import BareApi, serving_bare
from tests.support.dead import bury, copies, event, ids
from tests.support.installation import DELIVERED, SENT, TOKEN, Installation, header

pytestmark = pytest.mark.kafka

FAST = {"Rate": "5000"}


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(settings) as house:
        await house.admin.ensure(house.topics.worker_specs("webhook"))
        yield house


@pytest.fixture
async def api(house: Installation) -> AsyncIterator[BareApi]:
    async with serving_bare(house.settings, house.account_sid) as api:
        yield api


@pytest.fixture
async def subscription(house: Installation) -> Subscription:
    return await house.subscribe(await house.add_sink("https://hooks.example.com/"), SENT, DELIVERED)


def after(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat()


async def redrive(api: BareApi, form: Mapping[str, str], *, path: str = "/v1/Redrives") -> dict[str, object]:
    """Preview, then do it; both must tell the same."""
    preview = await api.post(f"{path}/Preview", {**FAST, **form}, expect=200)
    job = await api.post(path, {**FAST, **form})
    done = await api.until(job["url"], "completed", "failed")
    assert (done["status"], done["looked_through"]) == ("completed", 1.0), done
    assert preview["complete"] is True
    for name in ("selected", "skipped", "redriven", "replayed"):
        assert preview.get(name) == done.get(name), name
    return done


async def test_a_redriven_event_is_the_same_with_a_fresh_window(
    house: Installation, api: BareApi, subscription: Subscription
) -> None:
    await bury(house, subscription, [7])
    began_ms = now_ms()

    job = await redrive(api, {"SubscriptionSid": subscription.sid})

    [copy] = await copies(house, subscription)
    value, event_headers = house.encoded(event(house, 7))
    own = {name: text for name, text in copy.headers if not name.startswith("es_")}
    state = {name: text for name, text in copy.headers if name.startswith("es_")}
    deadline = int(state.pop("es_deadline"))
    assert (copy.value, copy.key, own) == (value, b"k7", dict(event_headers))
    assert state == {
        "es_accepted_at": b"5000",
        "es_subscription": subscription.sid.encode(),
        "es_redrive": str(job["sid"]).encode(),
    }
    assert began_ms + 14_400_000 <= deadline <= now_ms() + 14_400_000
    assert (job["selected"], job["redriven"], job["skipped"]) == (1, 1, {})
    told = {"sink_type": "webhook", "kind": "redrive"}
    assert api.metrics.registry.get_sample_value("eventstreams_redriven_events_total", told) == 1.0


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        pytest.param({"EventId": "EZ3"}, [3], id="one event"),
        pytest.param({"DeadLetterId": "webhook.0.2"}, [2], id="one dead letter"),
        pytest.param({"Reason": "expired"}, [4, 5, 6], id="reason"),
        pytest.param({"Code": "91305"}, [0, 1, 2, 3], id="code"),
        pytest.param({"Type": DELIVERED}, [5, 6], id="type"),
        pytest.param({"Type": SENT, "Reason": "expired"}, [4], id="type and reason"),
        pytest.param({"After": "@2", "Before": "@5"}, [2, 3, 4], id="time"),
        pytest.param({"After": "@5"}, [5, 6], id="from a time on"),
        pytest.param({"EventId": "EZ300"}, [], id="nothing"),
        pytest.param({"Filter": "status == 410 && id in ['EZ1', 'EZ6']"}, [1, 6], id="filter"),
    ],
)
async def test_dead_letters_are_redriven_by_what_they_have_in_common(
    house: Installation, api: BareApi, subscription: Subscription, chosen: Mapping[str, str], expected: list[int]
) -> None:
    times = []
    for number in range(7):
        reason = DeadReason.REFUSED if number < 4 else DeadReason.EXPIRED
        type_ = SENT if number < 5 else DELIVERED
        times += await bury(house, subscription, [number], reason=reason, type_=type_)
        await asyncio.sleep(0.005)  # so that their times differ
    form = {name: after(times[int(text[1:])]) if text[0] == "@" else text for name, text in chosen.items()}

    await redrive(api, form)

    assert ids(await copies(house, subscription)) == [f"EZ{number}" for number in expected]


async def test_several_values_of_a_parameter_select_more(
    house: Installation, api: BareApi, subscription: Subscription
) -> None:
    await bury(house, subscription, range(5))

    job = await api.post("/v1/Redrives", [("EventId", "EZ1"), ("EventId", "EZ4"), ("Rate", "5000")])
    await api.until(job["url"], "completed")

    assert ids(await copies(house, subscription)) == ["EZ1", "EZ4"]


async def test_events_of_a_deleted_subscription_are_skipped_and_told(
    house: Installation, api: BareApi, subscription: Subscription
) -> None:
    other = await house.subscribe(await house.add_sink("https://hooks.example.com/"))
    await bury(house, subscription, [1, 2])
    await bury(house, other, [3, 4, 5])
    await bury(house, other, [6], without=names.SUBSCRIPTION)
    await house.put(replace(other, state=SubscriptionState.DELETING))

    job = await redrive(api, {"Reason": "refused"})

    assert (job["selected"], job["redriven"]) == (6, 2)
    assert job["skipped"] == {"subscription_deleted": 3, "unreadable": 1}
    assert ids(await copies(house, subscription)) == ["EZ1", "EZ2"]


async def test_what_dies_again_is_not_taken_up_by_the_same_job(
    house: Installation, api: BareApi, subscription: Subscription
) -> None:
    await bury(house, subscription, range(4))

    job = await api.post("/v1/Redrives", {"Reason": "refused", "Rate": "4"})
    await bury(house, subscription, [10, 11])
    await api.until(job["url"], "completed")

    assert ids(await copies(house, subscription)) == ["EZ0", "EZ1", "EZ2", "EZ3"]


async def test_a_cancelled_job_stops_and_keeps_what_it_did(
    house: Installation, api: BareApi, subscription: Subscription
) -> None:
    await bury(house, subscription, range(60))
    job = await api.post("/v1/Redrives", {"Reason": "refused", "Rate": "1"})

    answer = await api.post(job["url"], {"Status": "cancelling"}, expect=200)
    again = await api.ask("POST", job["url"], {"Status": "cancelling"})

    assert answer["status"] in ("cancelling", "cancelled")
    assert again[0] in (200, 409)
    done = await api.until(job["url"], "cancelled")
    assert done["redriven"] < 60
    assert len(await copies(house, subscription)) == done["redriven"]
    status, refused = await api.ask("POST", job["url"], {"Status": "cancelling"})
    assert (status, refused["code"]) == (409, 20409)


async def test_nobody_sees_or_moves_what_is_another_accounts(
    house: Installation, api: BareApi, subscription: Subscription
) -> None:
    await bury(house, subscription, range(3))
    mine = await api.post("/v1/Redrives", {"SubscriptionSid": subscription.sid, **FAST})
    await api.until(mine["url"], "completed")
    await house.new_account()
    stranger = api.as_account(house.account_sid)
    async with asyncio.timeout(30):
        while (await stranger.ask("GET", "/v1/Sinks"))[0] == 401:
            await asyncio.sleep(0.02)

    assert (await stranger.get("/v1/DeadLetters"))["dead_letters"] == []
    assert (await stranger.ask("GET", "/v1/DeadLetters/webhook.0.0"))[0] == 404
    assert (await stranger.get("/v1/Redrives"))["redrives"] == []
    assert (await stranger.ask("GET", mine["url"]))[0] == 404
    assert (await stranger.ask("POST", mine["url"], {"Status": "cancelling"}))[0] == 404
    for chosen in ({"EventId": "EZ1"}, {"DeadLetterId": "webhook.0.1"}):
        job = await redrive(stranger, chosen)
        assert job["selected"] == 0
    assert (await stranger.ask("POST", "/v1/Redrives", {"SubscriptionSid": subscription.sid}))[0] == 404
    since = {"SubscriptionSid": subscription.sid, "After": "2026-01-01T00:00:00Z"}
    assert (await stranger.ask("POST", "/v1/Replays", since))[0] == 404
    assert len(await copies(house, subscription)) == 3


async def test_dead_letters_are_listed_newest_first_in_pages_and_one_is_shown_whole(
    house: Installation, api: BareApi, subscription: Subscription
) -> None:
    await bury(house, subscription, range(300))
    await bury(house, subscription, [300, 301], reason=DeadReason.EXPIRED)

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
    assert one["data"] == house.event(301).data
    assert (one["id"], one["reason"], one["code"], one["attempts"]) == ("webhook.0.301", "expired", 91300, 3)
    assert (one["detail"], one["status"], one["date_last_attempt"]) == ("gone for good", 410, "1970-01-01T00:00:08Z")


async def test_a_dead_letter_that_cannot_be_decoded_is_shown_with_what_is_wrong(
    house: Installation, api: BareApi, subscription: Subscription
) -> None:
    dead = [(names.ACCOUNT, house.account_sid.encode()), (names.REASON, b"undecodable"), (names.CODE, b"many")]
    await house.put_raw(house.topics.dead("webhook"), b"\xff", dead)

    [listed] = (await api.get("/v1/DeadLetters"))["dead_letters"]
    one = await api.get(listed["url"])

    assert (one["event_id"], one["code"], one["data"]) == (None, None, None)
    assert "names no schema" in one["data_problem"]


@pytest.mark.parametrize(
    ("path", "form", "words"),
    [
        pytest.param("Redrives", {}, "Choose what to redrive", id="no choice"),
        pytest.param("Redrives", {"Rate": "5"}, "Choose what to redrive", id="only a rate"),
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
        assert body["message"] == f"Subscription DF{'0' * 32} was not found"
    assert (await api.get(f"/v1/{path}"))[path.lower()] == []


async def test_the_same_job_is_not_made_twice_and_an_account_has_ten_at_once(
    house: Installation, api: BareApi, subscription: Subscription
) -> None:
    await bury(house, subscription, range(100))
    first = await api.post("/v1/Redrives", {"Reason": "refused", "Rate": "1"})

    status, same = await api.ask("POST", "/v1/Redrives", {"Reason": "refused", "Rate": "5"})
    assert (status, same["code"]) == (409, 20409)
    assert first["sid"] in same["message"]
    for number in range(9):
        await api.post("/v1/Redrives", {"Reason": "refused", "EventId": f"EZ{99 - number}", "Rate": "1"})
    status, many = await api.ask("POST", "/v1/Redrives", {"Code": "91305"})
    assert status == 409
    assert "10 jobs" in many["message"]
    running = await api.get("/v1/Redrives?Status=completed")
    assert len(running["redrives"]) < 10


async def test_events_of_a_span_of_time_are_replayed_from_all_partitions(
    house: Installation, api: BareApi, subscription: Subscription
) -> None:
    times: list[int] = []
    for number in range(30):
        type_ = SENT if number % 3 else DELIVERED
        value, headers = house.encoded(event(house, number, type_))
        answer = await house.producer.send(
            house.topics.events, value, key=b"k%d" % number, headers=headers, partition=number % 3
        )
        assert isinstance(answer, Acked)
        times.append(answer.timestamp_ms)
        await asyncio.sleep(0.003)  # so that their times differ
    form = {"SubscriptionSid": subscription.sid, "After": after(times[10]), "Before": after(times[20])}
    await house.put_raw(house.topics.events, b"?", [(names.ACCOUNT, house.account_sid.encode())])

    job = await redrive(api, form, path="/v1/Replays")
    some = await redrive(api, {**form, "Filter": f"type == '{DELIVERED}'"}, path="/v1/Replays")

    found = await copies(house, subscription)
    everything, delivered = found[:10], found[10:]
    assert sorted(ids(everything)) == [f"EZ{number}" for number in range(10, 20)]
    assert sorted(ids(delivered)) == ["EZ12", "EZ15", "EZ18"]
    assert (job["selected"], job["replayed"], some["replayed"]) == (10, 10, 3)
    for copy in everything:
        number = int(header(copy, names.ID)[2:])
        value, event_headers = house.encoded(event(house, number, header(copy, names.TYPE)))
        assert (copy.value, copy.key) == (value, b"k%d" % number)
        assert [each for each in copy.headers if each[0] in dict(event_headers)] == event_headers
        assert int(header(copy, names.ACCEPTED_AT)) == times[number]
        assert int(header(copy, names.DEADLINE)) > now_ms() + 14_000_000
        assert header(copy, names.REDRIVE) == job["sid"]
    assert [each["sid"] for each in (await api.get("/v1/Replays"))["replays"]] == [job["sid"], some["sid"]]
    assert (await api.ask("GET", f"/v1/Redrives/{job['sid']}"))[0] == 404
    status, refused = await api.ask("POST", "/v1/Replays", {**form, "Type": "com.acme.no"})
    assert status == 400
    assert "does not want com.acme.no" in refused["message"]


async def test_a_deleted_subscriptions_topic_goes_although_a_redrive_was_the_last_to_write_to_it(
    house: Installation, api: BareApi, subscription: Subscription
) -> None:
    async with Receiver() as receiver:
        fresh = await house.subscribe(await house.add_sink(receiver.url))
        await bury(house, fresh, [1, 2])
        await house.start(worker_for(load_plugin("webhook")))
        await redrive(api, {"SubscriptionSid": fresh.sid})
        await receiver.wait_for(lambda: len(receiver.accepted) == 2)

        assert (await api.ask("GET", f"/v1/Subscriptions/{fresh.sid}"))[0] == 200
        await house.put(replace(fresh, state=SubscriptionState.DELETING, updated_ms=now_ms()))

        async with asyncio.timeout(60):
            while house.topic_of(fresh) in await house.admin.topics():
                await asyncio.sleep(0.1)


async def run_cli(api: BareApi, *arguments: str, answer: str = "") -> tuple[int, str]:
    """Exit code and all that the command line says."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("EVENTSTREAMS_")},
        "EVENTSTREAMS_ACCOUNT_SID": api.account_sid,
        "EVENTSTREAMS_AUTH_TOKEN": TOKEN,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "eventstreams", *arguments, "--url", api.url),
        env=env,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(answer.encode())
    return process.returncode or 0, said.decode()


async def test_dead_letters_are_listed_and_redriven_from_a_terminal(
    house: Installation, api: BareApi, subscription: Subscription
) -> None:
    await bury(house, subscription, range(3))
    await bury(house, subscription, [3], reason=DeadReason.EXPIRED)

    listed = await run_cli(
        api, "dead-letters", "--subscription", subscription.sid, "--reason", "refused", "--limit", "2"
    )
    nothing = await run_cli(api, "redrive", "--event-id", "EZ9")
    declined = await run_cli(api, "redrive", "--reason", "refused", answer="n\n")
    done = await run_cli(api, "redrive", "--reason", "refused", "--filter", "id != 'EZ1'", answer="y\n")
    refused = await run_cli(api, "redrive", "--yes")

    assert listed[0] == 0
    assert [line.split("  ")[3] for line in listed[1].splitlines()] == ["EZ2", "EZ1"]
    assert nothing == (0, "nothing is selected\n")
    assert declined[0] == 1
    assert "3 events" in declined[1]
    assert done[0] == 0, done
    assert "completed: 2 redriven" in done[1]
    assert refused[0] == 1
    assert "eventstreams: the API refuses: Choose what to redrive" in refused[1]
    assert ids(await copies(house, subscription)) == ["EZ0", "EZ2"]
