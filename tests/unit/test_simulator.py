"""The simulator: lifelike companies, whose events fit the catalogue and come in an order that can be."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, pairwise
from random import Random
from typing import Final

import orjson
import pytest

from eventstreams.catalog import Catalog, EventTypeStatus
from eventstreams.codec import Codec
from eventstreams.events import Event
from eventstreams.times import to_ms
from producers.cloudevents import render
from producers.encoder import EncodedEvent, EventEncoder
from producers.simulator import Scenario, Scene, SimulatedProduct, known_products, paced, simulate, together
from producers.simulator.company import Company

ACCOUNT: Final = "AC" + "1" * 32
OTHER: Final = "AC" + "2" * 32
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
PRODUCTS: Final = tuple(known_products())
STORIES_EACH: Final = 2_000  # of each plot: the rarest turn of one is taken in about one story of 100


def events(
    count: int,
    *,
    products: Sequence[str] = PRODUCTS,
    seed: int = 1,
    accounts: Sequence[str] = (ACCOUNT,),
    start: datetime = START,
) -> list[Event]:
    chosen = [known_products()[name] for name in products]
    scenario = Scenario(seed=seed, accounts=accounts, start=start, products=chosen, concurrency=50)
    return list(islice(simulate(scenario), count))


@cache
def told() -> Mapping[str, Sequence[Sequence[Event]]]:
    """Many stories of each plot, by the plot's name."""
    company = Company.found(ACCOUNT)
    return {
        f"{product.name}/{plot.__name__}": [
            list(plot(Scene(company, Random(f"{plot.__name__} {number}"), to_ms(START))))
            for number in range(STORIES_EACH // (1 if product.name in {"compliance", "taskrouter", "voice"} else 4))
        ]
        for product in known_products().values()
        for plot in product.plots
    }


def plots() -> Sequence[str]:
    return [f"{product.name}/{plot.__name__}" for product in known_products().values() for plot in product.plots]


# -- the catalogue -----------------------------------------------------------------------------------------------


def test_every_available_event_type_happens_in_some_story() -> None:
    happened = {event.type for stories in told().values() for story in stories for event in story}
    types = Catalog.load().types
    available = {name for name, each in types.items() if each.status is EventTypeStatus.AVAILABLE and not each.internal}

    assert not available - happened
    assert not happened - set(types)


def test_every_product_with_an_available_type_takes_part_where_nobody_chooses() -> None:
    available = {each.product for each in Catalog.load().types.values() if each.status is EventTypeStatus.AVAILABLE}

    assert {product.name for product in known_products().values() if product.by_default} == available - {"eventstreams"}


@pytest.mark.parametrize("plot", plots())
def test_every_event_of_a_story_fits_its_schema(plot: str) -> None:
    catalog = Catalog.load()
    encoder = EventEncoder(catalog, Codec(catalog, schema_base_url="https://schemas.example.com"))

    for story in told()[plot][:200]:
        for event in story:
            assert isinstance(encoder.encode(event), EncodedEvent), encoder.encode(event)
            assert catalog.types[event.type].product == plot.partition("/")[0]


# -- causes and effects ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plot", plots())
def test_time_goes_on_within_a_story_and_ids_are_given_once(plot: str) -> None:
    for story in told()[plot]:
        assert all(before.time <= after.time for before, after in pairwise(story))
        assert len({event.id for event in story}) == len(story)
        assert story, "a story without events"


# What comes second never comes without what comes first, for the same resource. ``…`` is the type's own beginning.
CAUSES: Final = [
    ("messaging", "messaging.message.", ("queued", "sent", "delivered", "read"), "messageSid"),
    ("messaging", "messaging.message.", ("queued", "failed"), "messageSid"),
    ("messaging", "messaging.message.", ("queued", "sent", "undelivered"), "messageSid"),
    ("voice", "voice.status-callback.call.", ("initiated", "ringing", "answered"), "sid"),
    ("voice", "voice.insights.call-summary.", ("partial", "complete"), "call_sid"),
    ("voice", "voice.insights.conference-summary.", ("partial", "complete"), "conference_sid"),
    ("taskrouter", "taskrouter.task.", ("created", "wrapup", "completed"), "payload.task_sid"),
    ("taskrouter", "taskrouter.task.", ("created", "canceled"), "payload.task_sid"),
    ("taskrouter", "taskrouter.task.", ("transfer-initiated", "transfer-completed"), "payload.task_transfer_sid"),
    (
        "taskrouter",
        "taskrouter.reservation.",
        ("created", "accepted", "wrapup", "completed"),
        "payload.reservation_sid",
    ),
    ("taskrouter", "taskrouter.reservation.", ("created", "rejected"), "payload.reservation_sid"),
    ("taskrouter", "taskrouter.worker.", ("created", "deleted"), "payload.worker_sid"),
    ("verify", "accountsecurity.verify.verification.", ("pending", "approved"), "verification_sid"),
    ("verify", "accountsecurity.verify.verification.", ("pending", "expired"), "verification_sid"),
    ("verify", "accountsecurity.verify.message.", ("sent", "delivered", "read"), "attempt_sid"),
    ("conversations", "conversations.conversation.", ("added", "removed"), "ConversationSid"),
    ("conversations", "conversations.participant.", ("added", "updated"), "ParticipantSid"),
    ("conversations", "conversations.message.", ("added", "updated"), "MessageSid"),
    ("studio", "studio.flow.execution.", ("started", "ended"), "execution_sid"),
    ("linkshortening", "daptbt.link-shortening.", ("link-shortened", "link-clicked"), "message_sid"),
    ("commsapi", "comms-api.message.", ("queued", "sent", "delivered", "read"), "message_id"),
    ("commsapi", "comms-api.operation.", ("processing", "completed"), "operation_id"),
    ("video", "video.insights.", ("log-analyzer.room-summary", "room-summary.complete"), "room_sid"),
    (
        "compliance",
        "messaging.compliance.campaign-registration.",
        ("campaign-submitted", "campaign-approved"),
        "campaignsid",
    ),
    (
        "compliance",
        "messaging.compliance.toll-free-verification.",
        ("requested", "pending-review", "rejected", "edit"),
        "tollfreeverificationsid",
    ),
]


@pytest.mark.parametrize(("product", "prefix", "order", "field"), CAUSES, ids=str)
def test_no_effect_comes_before_its_cause(product: str, prefix: str, order: Sequence[str], field: str) -> None:
    seen_last = False
    for story in (each for plot, stories in told().items() if plot.startswith(f"{product}/") for each in stories):
        happened: defaultdict[object, list[str]] = defaultdict(list)
        for event in story:
            name = event.type.removeprefix(f"com.twilio.{prefix}")
            if name in order:
                happened[_field(event, field)].append(name)
        for resource, names in happened.items():
            firsts = list(dict.fromkeys(names))
            assert resource is not None
            assert firsts == list(order[: len(firsts)]), names
            seen_last |= order[-1] in firsts

    assert seen_last


def _field(event: Event, path: str) -> object:
    found: object = event.data
    for name in path.split("."):
        assert isinstance(found, Mapping)
        found = found.get(name)
    return found


def test_a_call_is_completed_once_and_its_summary_comes_ten_minutes_later() -> None:
    for story in told()["voice/outgoing"]:
        names = [event.type for event in story]
        [over] = [event for event in story if event.type.endswith("status-callback.call.completed")]
        [partial] = [event for event in story if event.type.endswith("call-summary.partial")]
        assert partial.time - over.time == timedelta(minutes=10)
        assert partial.data["call_sid"] == over.data["sid"]
        assert names[-1].endswith("call-summary.complete")


def test_a_call_that_nobody_answered_was_not_talked_on() -> None:
    for story in told()["voice/outgoing"]:
        answered = any(event.type.endswith("call.answered") for event in story)
        assert (story[-1].data["connect_duration"] != 0) == answered


# -- many stories ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_company_may_use_one_product_alone(product: str) -> None:
    catalog = Catalog.load()

    assert {catalog.types[event.type].product for event in events(300, products=[product])} == {product}


def test_events_come_in_order_of_their_time_and_ids_are_given_once() -> None:
    found = events(20_000)

    assert all(before.time <= after.time for before, after in pairwise(found))
    assert found[0].time >= START
    assert len({event.id for event in found}) == len(found)


def test_the_same_seed_tells_the_same_stories_byte_by_byte_and_another_one_others() -> None:
    first, again, other = (
        b"".join(orjson.dumps(render(event)) for event in events(2_000, seed=seed)) for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_another_start_shifts_the_times_and_changes_nothing_else() -> None:
    by = timedelta(days=30, seconds=1)

    here, there = events(2_000), events(2_000, start=START + by)

    assert [event.id for event in here] == [event.id for event in there]
    assert [event.time + by for event in here] == [event.time for event in there]


def test_the_first_account_has_the_most_stories() -> None:
    counts = [0, 0]
    for event in events(5_000, accounts=[ACCOUNT, OTHER]):
        counts[[ACCOUNT, OTHER].index(event.account_sid)] += 1

    assert counts[0] > counts[1] > 0


def test_a_company_owns_the_same_things_in_every_simulation() -> None:
    senders = [
        {event.data["from"] for event in events(1_000, products=["messaging"], seed=seed) if "queued" in event.type}
        for seed in (1, 2)
    ]

    assert senders[0] == senders[1]
    assert len(senders[0]) <= 4


def test_no_more_stories_are_under_way_than_was_asked_for() -> None:
    under_way, most = 0, 0

    def counted(scene: Scene) -> Iterator[Event]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(5):
            yield scene.event("com.acme.a", "/a", {})
            scene.wait_about(10)
        under_way -= 1

    scenario = Scenario(
        seed=1, accounts=[ACCOUNT], start=START, products=[SimulatedProduct("acme", 1, {counted: 1})], concurrency=7
    )
    list(islice(simulate(scenario), 1_000))

    assert most == 7


def test_a_story_cannot_go_back_in_time() -> None:
    with pytest.raises(ValueError, match="cannot go back"):
        Scene(Company.found(ACCOUNT), Random(1), 0).wait(-1)


def test_stories_told_together_come_in_order_of_time() -> None:
    scene = Scene(Company.found(ACCOUNT), Random(1), to_ms(START))

    def every(seconds: float, at: Scene) -> Iterator[Event]:
        for _ in range(3):
            yield at.event("com.acme.a", f"/{seconds}", {})
            at.wait(seconds)

    found = list(together(every(2, scene.aside()), every(3, scene.aside())))

    assert [(event.time - START).total_seconds() for event in found] == [0, 0, 2, 3, 4, 6]


# -- the pace ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [10_000, None], ids=["a rate", "full speed"])
async def test_a_pace_gives_everything_in_order_and_ends_with_it(rate: float | None) -> None:
    found = events(200)

    batches = [batch async for batch in paced(iter(found), rate=rate, stopping=asyncio.Event())]

    assert [event for batch in batches for event in batch] == found


@pytest.mark.parametrize("rate", [100, None], ids=["a rate", "full speed"])
async def test_a_pace_ends_when_it_is_told_to(rate: float | None) -> None:
    stopping = asyncio.Event()
    given = 0

    async for batch in paced(simulate(Scenario(seed=1, accounts=[ACCOUNT], start=START)), rate=rate, stopping=stopping):
        given += len(batch)
        stopping.set()

    assert given >= 1


async def test_full_speed_ends_when_its_time_is_over() -> None:
    endless = simulate(Scenario(seed=1, accounts=[ACCOUNT], start=START))

    async with asyncio.timeout(60):
        given = [len(batch) async for batch in paced(endless, rate=None, stopping=asyncio.Event(), duration_s=0.01)]

    assert given
