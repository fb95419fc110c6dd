"""The router's benchmark cases: events, subscriptions, and how many subscriptions each event matches."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from confluent_kafka import Producer

from benchmarks.events import encoded
from eventstreams.catalog import Catalog
from eventstreams.control.records import SubscribedType, Subscription, encode, key_of
from eventstreams.headers import ACCOUNT
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.topics import Topics

_DISTINCT = 20_000
_SINK = "DG" + "1" * 32


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        events: Number of events to route.
        topics: Number of subscriptions that get events; each has a topic.
        fan_out: Copies of each event.
        accounts: Number of accounts that the events belong to, in turn. With one, each event matches ``fan_out`` of
            its ``topics`` subscriptions; with as many as topics, each subscription has an account of its own.
        others: Number of subscriptions of accounts without events.
        rivals: Programs measured beside the router.
    """

    name: str
    events: int
    topics: int = 1
    fan_out: int = 1
    accounts: int = 1
    others: int = 0
    rivals: tuple[str, ...] = ("bare",)


class Prepared:
    """An installation on a broker with everything that ``case`` needs, and events waiting to be routed."""

    def __init__(self, case: Case, settings: Settings) -> None:
        self.case = case
        self.settings = settings
        self.names = Topics(settings)
        self.admin = KafkaAdmin(settings)
        self.subscriptions = list(_subscriptions(case))
        self.topics = [self.names.subscription(each.sink_type, each.sid) for each in self.subscriptions]

    async def prepare(self, *, with_events: bool = True, with_topics: bool = True) -> None:
        await self.admin.ensure(self.names.base_specs())
        producer = Producer(
            {"bootstrap.servers": self.settings.kafka, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000}
        )
        for each in (*self.subscriptions, *_others(self.case)):
            producer.produce(self.names.control, encode(each), key_of(each.sid), partition=0)
        producer.flush()
        if with_topics:
            await self.make_topics()
        if with_events:
            for number, (key, value, headers) in enumerate(stream(self.case)):
                producer.produce(self.names.events, value, key, headers=list(headers))
                if number % 20_000 == 0:
                    producer.flush()
            producer.flush()

    async def make_topics(self) -> None:
        """Create empty topics for the copies."""
        specs = [self.names.subscription_spec(each.sink_type, each.sid) for each in self.subscriptions]
        for first in range(0, len(specs), 1000):
            await self.admin.ensure(specs[first : first + 1000])

    async def empty_topics(self) -> None:
        """Recreate the copies' topics, as if nothing had been routed yet."""
        for first in range(0, len(self.topics), 1000):
            await self.admin.delete(self.topics[first : first + 1000])
        await self.make_topics()


def stream(case: Case) -> Iterator[tuple[bytes, bytes, list[tuple[str, bytes]]]]:
    """Yield key, value and headers of ``case.events`` events."""
    made = encoded(min(_DISTINCT, case.events))
    accounts = [_account(number).encode() for number in range(case.accounts)]
    for number, each in zip(range(case.events), itertools.cycle(made), strict=False):
        account = accounts[number % len(accounts)]
        headers = [(name, account if name == ACCOUNT else text) for name, text in each.headers]
        yield each.key, each.value, headers


def _subscriptions(case: Case) -> Iterator[Subscription]:
    types = list(Catalog.load().types)
    if case.accounts > 1:
        yield from (_subscription(number, _account(number), types) for number in range(case.topics))
        return
    shares = _even_shares(types, case.topics)
    for first in range(case.topics):
        wanted = [shares[(first + n) % case.topics] for n in range(case.fan_out)]
        yield _subscription(first, _account(0), list(itertools.chain.from_iterable(wanted)))


def _even_shares(types: Sequence[str], count: int) -> list[list[str]]:
    """Split ``types`` into ``count`` shares, each with about the same number of our events."""
    often = Counter(each.type for each in encoded(2_000))
    shares: list[list[str]] = [[] for _ in range(count)]
    weights = [0.0] * count
    for name in sorted(types, key=lambda name: -often[name]):
        lightest = weights.index(min(weights))
        shares[lightest].append(name)
        weights[lightest] += often[name] + 0.01
    return shares


def _others(case: Case) -> Iterator[Subscription]:
    types = list(Catalog.load().types)[:3]
    return (_subscription(1_000_000 + n, _account(1_000_000 + n), types) for n in range(case.others))


def _account(number: int) -> str:
    return f"AC{number:032x}"


def _subscription(number: int, account: str, types: Sequence[str]) -> Subscription:
    return Subscription(
        sid=f"DF{number:032x}",
        account_sid=account,
        sink_sid=_SINK,
        sink_type="webhook",
        description="",
        types=tuple(SubscribedType(type=each, schema_version=1) for each in types),
        created_ms=1,
        updated_ms=1,
    )
