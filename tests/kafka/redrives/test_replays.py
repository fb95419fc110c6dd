"""Accepted events replayed through the API, on the real broker."""

import json

import pytest

from eventstreams import headers as names
from eventstreams.control.records import Subscription
from eventstreams.kafka.producer import Acked
from eventstreams.times import now_ms
from tests.support.bare_api import BareApi
from tests.support.dead_letters import copies, event, ids
from tests.support.installation import DELIVERED, SENT, Installation, header
from tests.support.redrives import after, clock_past, redrive, run_cli

pytestmark = pytest.mark.kafka


async def test_events_of_a_span_of_time_are_replayed_from_all_partitions(
    installation: Installation, api: BareApi, subscription: Subscription
) -> None:
    times: list[int] = []
    for number in range(30):
        type_ = SENT if number % 3 else DELIVERED
        value, headers = installation.encoded(event(installation, number, type_))
        answer = await installation.producer.send(
            installation.topics.events, value, key=b"k%d" % number, headers=headers, partition=number % 3
        )
        assert isinstance(answer, Acked)
        times.append(answer.timestamp_ms)
        await clock_past(answer.timestamp_ms)
    form = {"SubscriptionSid": subscription.sid, "After": after(times[10]), "Before": after(times[20])}
    await installation.put_raw(installation.topics.events, b"?", [(names.ACCOUNT, installation.account_sid.encode())])

    job = await redrive(api, form, path="/v1/Replays")
    some = await redrive(api, {**form, "Filter": f"type == '{DELIVERED}'"}, path="/v1/Replays")

    found = await copies(installation, subscription)
    everything, delivered = found[:10], found[10:]
    assert sorted(ids(everything)) == [f"EZ{number}" for number in range(10, 20)]
    assert sorted(ids(delivered)) == ["EZ12", "EZ15", "EZ18"]
    assert (job["selected"], job["replayed"], some["replayed"]) == (10, 10, 3)
    for copy in everything:
        number = int(header(copy, names.ID)[2:])
        value, event_headers = installation.encoded(event(installation, number, header(copy, names.TYPE)))
        assert (copy.value, copy.key) == (value, b"k%d" % number)
        assert [each for each in copy.headers if each[0] in dict(event_headers)] == event_headers
        assert int(header(copy, names.ACCEPTED_AT)) == times[number]
        assert int(header(copy, names.DEADLINE)) > now_ms() + 14_000_000
        assert header(copy, names.REDRIVE) == job["sid"]
    assert [each["sid"] for each in (await api.get("/v1/Replays"))["replays"]] == [job["sid"], some["sid"]]
    assert (await api.ask("GET", f"/v1/Redrives/{job['sid']}"))[0] == 404
    status, refused = await api.ask("POST", "/v1/Replays", {**form, "Type": "com.acme.no"})
    assert status == 400
    assert "does not include com.acme.no" in refused["message"]


async def test_events_are_replayed_from_a_terminal(
    installation: Installation, api: BareApi, subscription: Subscription
) -> None:
    for number in range(4):
        value, headers = installation.encoded(event(installation, number, SENT if number else DELIVERED))
        answer = await installation.producer.send(installation.topics.events, value, key=b"k", headers=headers)
        assert isinstance(answer, Acked)
    wanted = ("events", "replay", "--subscription", subscription.sid, "--after", "2026-03-29T04:00:00Z")

    nothing = await run_cli(api, *wanted, "--before", "2026-03-29T05:00:00Z")
    declined = await run_cli(api, *wanted, answer="n\n")
    done = await run_cli(api, *wanted, "--type", SENT, "--filter", "id != 'EZ2'", answer="y\n")
    for_scripts = await run_cli(api, *wanted, "--event-id", "EZ0", "--event-id", "EZ2", "--yes", "-o", "json")
    refused = await run_cli(api, *wanted, "--type", "com.acme.no", "--yes")

    assert nothing == (0, "no events are selected\n")
    assert declined[0] == 1
    assert "4 events" in declined[1]
    assert done[0] == 0, done
    assert "completed: 2 replayed" in done[1]
    assert json.loads(for_scripts[1]).items() >= {"status": "completed", "replayed": 2}.items()
    assert refused[0] == 1
    assert "does not include com.acme.no" in refused[1]
    assert sorted(ids(await copies(installation, subscription))) == ["EZ0", "EZ1", "EZ2", "EZ3"]
