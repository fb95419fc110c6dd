"""The simulator: a lifelike company, whose events fit the catalogue and come in an order that can be."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice, pairwise

import pytest

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.events import Event
from producers.encoder import EncodedEvent, EventEncoder
from producers.simulator import Product, Scenario, paced, simulate

ACCOUNT = "AC" + "1" * 32
START = datetime(2026, 1, 1, tzinfo=UTC)


def events(count: int, *, seed: int = 1, products: Sequence[Product] = tuple(Product)) -> list[Event]:
    scenario = Scenario(seed=seed, account_sid=ACCOUNT, start=START, products=products, concurrency=50)
    return list(islice(simulate(scenario), count))


@pytest.mark.parametrize("seed", range(3))
def test_every_event_fits_the_catalogue(seed: int) -> None:
    catalog = Catalog.load()
    encoder = EventEncoder(catalog, Codec(catalog, schema_base_url="https://schemas.example.com"))

    for event in events(3_000, seed=seed):
        assert isinstance(encoder.encode(event), EncodedEvent), encoder.encode(event)


def test_every_product_has_events_of_several_types() -> None:
    catalog = Catalog.load()
    types: defaultdict[str, set[str]] = defaultdict(set)
    for event in events(3_000):
        types[catalog.types[event.type].product].add(event.type)

    assert set(types) == set(Product)
    assert all(len(each) >= 3 for each in types.values()), types


@pytest.mark.parametrize("product", Product)
def test_a_company_may_use_one_product_alone(product: Product) -> None:
    catalog = Catalog.load()

    assert {catalog.types[event.type].product for event in events(500, products=[product])} == {product}


def test_a_message_is_queued_before_it_is_sent_before_it_is_delivered_before_it_is_read() -> None:
    order = ["queued", "sent", "delivered", "read"]
    stories: defaultdict[str, list[str]] = defaultdict(list)
    for event in events(3_000, products=[Product.MESSAGING]):
        status = event.type.rpartition(".")[2]
        if status in order:
            stories[event.source].append(status)

    assert any(story == order for story in stories.values())
    assert all(story == order[: len(story)] for story in stories.values())


def test_time_goes_on_and_ids_are_given_once() -> None:
    found = events(3_000)

    assert all(before.time <= after.time for before, after in pairwise(found))
    assert len({event.id for event in found}) == len(found)
    assert {event.account_sid for event in found} == {ACCOUNT}


def test_the_same_seed_tells_the_same_stories_and_another_one_others() -> None:
    assert events(500) == events(500)
    assert events(500) != events(500, seed=2)


async def test_a_pace_gives_everything_in_order_and_ends_with_it() -> None:
    found = events(200)

    batches = [batch async for batch in paced(iter(found), rate=10_000, stopping=asyncio.Event())]

    assert [event for batch in batches for event in batch] == found


async def test_a_pace_ends_when_it_is_told_to() -> None:
    stopping = asyncio.Event()
    scenario = Scenario(seed=1, account_sid=ACCOUNT, start=START)
    given = 0

    async for batch in paced(simulate(scenario), rate=100, stopping=stopping):
        given += len(batch)
        stopping.set()

    assert given >= 1
