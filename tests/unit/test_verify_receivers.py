"""The receivers of ``eventstreams verify``: each behaves as its name says, and no wrong delivery gets past them."""

import base64
import hashlib
import hmac
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import orjson
import pytest

from eventstreams.process.health import serve_app
from eventstreams.process.listen import address_of, open_socket
from eventstreams.verify.behaviours import BEHAVIOURS, Answer, Hang, Reaction, Reset, Seen, is_refusal, is_success
from eventstreams.verify.inspection import MOST_EXAMPLES, Finding
from eventstreams.verify.ledger import Count, Ledger, Tally, Wrong
from eventstreams.verify.plan import PARTIAL_TYPES, Batch, Kind, Plan, digest, make_event
from eventstreams.verify.receivers import Receivers, ReceiverSpec
from sink_workers.plugins.webhook.signature import HEADER, signed_url, signer
from sink_workers.plugins.webhook.standard_webhooks import Signer, StandardWebhooksConfig

ACCOUNT = "AC00000000000000000000000000000001"
TOKEN = "token-of-the-test"
SECRET = f"whsec_{base64.b64encode(b'x' * 32).decode()}"
PLAN = Plan.of("vf00c0ffee", 300, with_other_account=True)
BATCHES = list(PLAN.batches())
ONCE = Seen([1], [1])


def of_kind(kind: Kind) -> Batch:
    return next(batch for batch in BATCHES if batch.kind is kind)


@dataclass
class Desk:
    """Two receivers, healthy ones; the first checks both signatures. What was published is in ``ledger``."""

    ledger: Ledger
    tallies: list[Tally]
    url: str
    found: list[tuple[int, Finding]] = field(default_factory=list)

    def publish(self, batch: Batch, *, acknowledged_at: float | None = None) -> list[dict[str, object]]:
        events = [make_event(PLAN, number, ACCOUNT, datetime.now(UTC)) for number in batch.numbers]
        self.ledger.sending(batch, map(digest, events), time.time())
        if acknowledged_at is not None:
            self.ledger.acknowledged(batch, batch.numbers, acknowledged_at)
        return events

    async def deliver(
        self,
        events: object,
        *,
        position: int = 0,
        token: str = TOKEN,
        secret: str = SECRET,
        spoil: Callable[[bytes], bytes] = lambda body: body,
    ) -> int:
        """Deliver as the webhook sink does; the status of the answer."""
        body = orjson.dumps(events)
        url = signed_url(f"{self.url}/{position}", body)
        headers: Mapping[str, str] = {
            HEADER: signer(token)(url),
            **Signer(StandardWebhooksConfig(secret=secret)).headers(["x"], body, datetime.now(UTC)),
        }
        async with aiohttp.ClientSession() as session, session.post(url, data=spoil(body), headers=headers) as answer:
            return answer.status

    @property
    def wrongs(self) -> dict[Wrong, int]:
        return self.tallies[0].wrongs()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    listening = open_socket("127.0.0.1:0", setting="listen")
    url = f"http://{address_of(listening)}"
    ledger = Ledger(tmp_path, PLAN, new=True)
    tallies = [Tally(tmp_path, position, PLAN, new=True) for position in range(2)]
    specs = [
        ReceiverSpec(
            behaviour="healthy",
            url=f"{url}/{position}",
            auth_token=TOKEN,
            standard_secret=SECRET if position == 0 else None,
            account_sid=ACCOUNT,
            ttl_s=60.0,
            seed=1,
        )
        for position in range(2)
    ]
    made = Desk(ledger, tallies, url)
    receivers = Receivers(specs, PLAN, ledger, tallies, lambda at, finding: made.found.append((at, finding)))
    async with serve_app(receivers.app(), listening):
        yield made


async def test_what_was_published_is_accepted_and_counted(desk: Desk) -> None:
    events = desk.publish(BATCHES[0])

    assert await desk.deliver(events) == 200
    assert await desk.deliver(events[:1]) == 200

    first = BATCHES[0].first
    assert (desk.tallies[0].arrivals()[first], desk.tallies[0].acceptances()[first]) == (2, 2)
    assert desk.tallies[0].acceptances()[first + 1] == 1
    assert (desk.tallies[0].get(Count.REQUESTS), desk.wrongs, desk.found) == (2, {}, [])


async def test_a_signature_with_another_token_is_forged_and_nothing_of_it_counts(desk: Desk) -> None:
    events = desk.publish(BATCHES[0])

    assert await desk.deliver(events, token="token-of-somebody") == 403

    assert desk.wrongs == {Wrong.FORGED: 1}
    assert "X-Twilio-Signature" in desk.found[0][1].detail
    assert not any(desk.tallies[0].arrivals())


async def test_a_wrong_signature_of_standard_webhooks_is_forged_where_the_sink_signs_so(desk: Desk) -> None:
    events = desk.publish(BATCHES[0])
    other = f"whsec_{base64.b64encode(b'y' * 32).decode()}"

    assert await desk.deliver(events, secret=other) == 403
    assert await desk.deliver(events, secret=other, position=1) == 200

    assert desk.wrongs == {Wrong.FORGED: 1}
    assert "Standard Webhooks" in desk.found[0][1].detail


async def test_one_byte_that_was_changed_on_the_way_makes_a_delivery_forged(desk: Desk) -> None:
    events = desk.publish(BATCHES[0])

    assert await desk.deliver(events, spoil=lambda body: body.replace(b"2010-04-01", b"2010-04-02", 1)) == 403

    assert desk.wrongs == {Wrong.FORGED: 1}


async def test_a_url_without_the_hash_of_the_body_is_forged_whatever_its_signature(desk: Desk) -> None:
    body = orjson.dumps(desk.publish(BATCHES[0]))
    url = f"{desk.url}/0?a=b"
    signed = base64.b64encode(hmac.digest(TOKEN.encode(), url.encode(), hashlib.sha1)).decode()

    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers={HEADER: signed}) as answer:
        assert answer.status == 403
    assert desk.wrongs == {Wrong.FORGED: 1}


async def test_a_signed_delivery_with_another_byte_of_data_is_altered(desk: Desk) -> None:
    [event, *_] = desk.publish(BATCHES[0])
    data = event["data"]
    assert isinstance(data, dict)

    await desk.deliver([{**event, "data": {**data, "to": f"{data['to']}1"}}])

    assert desk.wrongs == {Wrong.ALTERED: 1}
    assert desk.found[0][1].event_id == event["id"]


async def test_what_nobody_published_is_foreign(desk: Desk) -> None:
    unsent = make_event(PLAN, BATCHES[3].first, ACCOUNT, datetime.now(UTC))

    await desk.deliver([{"id": "EZ00000000000000000000000000000001"}, unsent])

    assert desk.wrongs == {Wrong.FOREIGN: 2}
    assert not any(desk.tallies[0].arrivals())


@pytest.mark.parametrize(("kind", "wrong"), [(Kind.OTHER_ACCOUNT, Wrong.OTHER_ACCOUNT), (Kind.INVALID, Wrong.INVALID)])
async def test_an_event_that_is_for_nobody_is_told_as_what_it_is(desk: Desk, kind: Kind, wrong: Wrong) -> None:
    events = desk.publish(of_kind(kind))

    await desk.deliver(events)

    assert desk.wrongs == {wrong: len(events)}


async def test_an_event_of_a_type_that_is_not_subscribed_is_unwanted(desk: Desk) -> None:
    events = desk.publish(of_kind(Kind.PARTIAL))
    assert {event["type"] for event in events} == {PARTIAL_TYPES[0]}

    await desk.deliver(events, position=0)
    await desk.deliver(events, position=1)

    assert desk.wrongs == {}
    assert desk.tallies[1].wrongs() == {Wrong.UNWANTED: len(events)}


async def test_an_event_that_comes_after_its_deadline_is_late(desk: Desk) -> None:
    in_time = desk.publish(BATCHES[0], acknowledged_at=time.time() - 65)
    late = desk.publish(BATCHES[1], acknowledged_at=time.time() - 75)

    await desk.deliver([in_time[0], late[0]])

    assert desk.wrongs == {Wrong.LATE: 1}
    assert desk.found[0][1].event_id == late[0]["id"]


@pytest.mark.parametrize("body", [{"id": "x"}, "text", [1, 2]])
async def test_what_is_no_array_of_events_is_malformed(desk: Desk, body: object) -> None:
    assert await desk.deliver(body) == 403

    assert desk.wrongs == {Wrong.MALFORMED: 1}


async def test_of_many_the_first_are_told_and_all_are_counted(desk: Desk) -> None:
    await desk.deliver([{"id": f"EZ{number}"} for number in range(50)])

    assert desk.wrongs == {Wrong.FOREIGN: 50}
    assert len(desk.found) == MOST_EXAMPLES


# -- behaviours ------------------------------------------------------------------------------------------------------


def reactions(name: str, count: int, seen: Seen = ONCE, *, seed: int = 1) -> list[Reaction]:
    decide = BEHAVIOURS[name].make(random.Random(seed))
    return [decide(seen) for _ in range(count)]


def test_drop_n_fails_an_event_twice_and_takes_it_the_third_time() -> None:
    decide = BEHAVIOURS["drop-n"].make(random.Random(1))

    assert [is_success(decide(Seen([1, 2], [3, count]))) for count in (1, 2, 3)] == [False, False, True]


def test_fibonacci_fails_in_rows_that_grow() -> None:
    fails = "".join("." if is_success(each) else "x" for each in reactions("fibonacci", 26))

    assert fails == "x.x.xx.xxx.xxxxx.xxxxxxxx."


def test_refusing_refuses_an_event_alone_and_leaves_a_batch_to_be_taken_apart() -> None:
    decide = BEHAVIOURS["refusing"].make(random.Random(1))
    alone, together, others = Seen([50], [1]), Seen([50, 51], [1, 1]), Seen([51], [1])

    assert is_refusal(decide(alone), alone)
    assert not is_success(decide(together))
    assert not is_refusal(decide(together), together)
    assert is_success(decide(others))


def test_throttled_says_when_to_come_again() -> None:
    [answer, *_] = [each for each in reactions("throttled", 200) if not is_success(each)]

    assert answer == Answer(429, {"Retry-After": "1"})


@pytest.mark.parametrize(
    ("name", "share"),
    [("failing", 0.2), ("hanging", 0.03), ("resetting", 0.1), ("redirecting", 0.1), ("throttled", 0.1)],
)
def test_a_share_of_the_requests_fails_and_a_seed_draws_the_same_again(name: str, share: float) -> None:
    drawn = reactions(name, 2_000)

    failed = sum(not is_success(each) for each in drawn)
    assert 0.7 * share < failed / 2_000 < 1.3 * share
    assert reactions(name, 2_000) == drawn
    assert reactions(name, 2_000, seed=2) != drawn


def test_what_they_do_is_what_they_are_called_for() -> None:
    def odd(name: str) -> Reaction:
        return next(each for each in reactions(name, 500) if each != Answer(200))

    assert isinstance(odd("hanging"), Hang)
    assert isinstance(odd("resetting"), Reset)
    assert odd("huge") == Answer(200, size=10 << 20)
    assert odd("redirecting") == Answer(302, {"Location": "/elsewhere"})
    assert all(each == Answer(503) for each in reactions("down", 10))
    slow = odd("slow")
    assert isinstance(slow, Answer)
    assert 0.2 <= slow.after_s <= 1.5
    assert all(is_success(each) for each in reactions("healthy", 10) + reactions("single", 10))
