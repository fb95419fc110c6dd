"""Puts archived events on the topic of one subscription, as a redrive does with dead letters.

They do not go to the events topic: from there a router would copy them to every matching subscription, and the others
have had them already. Each copy gets a fresh delivery window, and the subscription's filter applies, as in a router.
Each chunk is sent only after Kafka has acknowledged the one before, so every counted event is in the topic. If a replay
is interrupted and started again, it begins at the start and produces the first events a second time.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Final

from eventstreams.catalog import Catalog, SchemaVersion
from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Subscription, SubscriptionState
from eventstreams.errors import InvalidEventError
from eventstreams.events import Event
from eventstreams.filters import CompiledFilters, FilterInput
from eventstreams.headers import Headers, event_headers, routed_headers
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.producer import Acked, AckedProducer
from eventstreams.settings import Settings
from eventstreams.times import now_ms, parse_rfc3339, to_ms
from eventstreams.topics import Topics
from sink_workers.archive.bucket import ArchiveError
from sink_workers.archive.reader import ArchivedEvent

_CHUNK: Final = 500  # most events in memory; at a low rate, a chunk is a quarter of a second's worth
_CHUNKS_A_SECOND: Final = 4
_MS: Final = 1000


class Skip(StrEnum):
    """Why an event of the archive is not replayed."""

    OTHER_ACCOUNT = "other_account"
    NOT_SUBSCRIBED = "not_subscribed"
    FILTERED = "filtered"
    UNKNOWN_SCHEMA = "unknown_schema"
    UNREADABLE = "unreadable"


@dataclass(slots=True)
class Replayed:
    """What a replay has done so far."""

    events: int = 0
    skipped: Counter[Skip] = field(default_factory=Counter)


class Copier:
    """Makes the records for one subscription from archived events."""

    def __init__(self, subscription: Subscription, accounts: frozenset[str], codec: Codec, *, ttl_ms: int) -> None:
        """``accounts``: the SIDs of the accounts whose events the subscription receives."""
        self._subscription = subscription
        self._accounts = accounts
        self._codec = codec
        self._ttl_ms = ttl_ms
        self._filters = CompiledFilters()

    def copy(self, archived: ArchivedEvent, at_ms: int) -> "Copy | Skip":
        """The record for the subscription's topic, accepted at ``at_ms``, or the reason why the event is skipped."""
        subscription = self._subscription
        if archived.account_sid not in self._accounts:
            return Skip.OTHER_ACCOUNT
        wanted = subscription.type_named(archived.type)
        if wanted is None:
            return Skip.NOT_SUBSCRIBED
        schema = self._codec.writer(archived.dataschema)
        if not isinstance(schema, SchemaVersion):
            return Skip.UNKNOWN_SCHEMA
        try:
            event = _event(archived)
            value = self._codec.encode(schema, archived.data)
        except (InvalidEventError, ValueError):
            return Skip.UNREADABLE
        headers = event_headers(event, dataschema=archived.dataschema)
        if subscription.filter is not None:
            reading = FilterInput(dict(headers), value, self._codec)
            if not self._filters.ask(subscription.filter, reading, wanted.schema_version).verdict.delivers:
                return Skip.FILTERED
        owner = subscription.account_sid
        routed = routed_headers(
            headers,
            accepted_at_ms=at_ms,
            deadline_ms=at_ms + self._ttl_ms,
            subscription_sid=subscription.sid,
            subscriber_sid=None if archived.account_sid == owner else owner,
        )
        return Copy((archived.partition_key or archived.source).encode(), value, routed)


@dataclass(frozen=True, slots=True)
class Copy:
    """A record to produce."""

    key: bytes | None
    value: bytes
    headers: Headers


async def replay(
    settings: Settings,
    subscription_sid: str,
    events: Iterator[ArchivedEvent],
    *,
    rate: int,
    done: Replayed,
    progress: Callable[[], None],
) -> None:
    """Put ``events`` on the subscription's topic, at most ``rate`` a second. ``done`` is updated after each chunk.

    Raises:
        EventStreamsError: the subscription does not exist or was deleted meanwhile; there is no broker or no
            catalogue; the archive cannot be read; or Kafka did not acknowledge every copy.
    """
    codec = Codec(Catalog.load(settings.catalog_dirs), schema_base_url=settings.schema_base_url)
    await KafkaAdmin(settings).wait_for_broker()
    async with AsyncExitStack() as stack:
        feed = await stack.enter_async_context(ControlFeed(settings, on_crash=_raise))
        producer = await stack.enter_async_context(AckedProducer(settings))
        loop = asyncio.get_running_loop()
        free_s = loop.time()
        size = min(max(rate // _CHUNKS_A_SECOND, 1), _CHUNK)
        while chunk := await asyncio.to_thread(lambda: list(islice(events, size))):
            subscription = _active(feed, subscription_sid)  # for each chunk: it may be changed or deleted meanwhile
            copier = Copier(
                subscription,
                feed.snapshot.accounts_for(subscription),
                codec,
                ttl_ms=subscription.lives_ms(round(settings.ttl.total_seconds() * _MS)),
            )
            copies: list[Copy] = []
            for each in chunk:
                made = copier.copy(each, now_ms())
                if isinstance(made, Copy):
                    copies.append(made)
                else:
                    done.skipped[made] += 1
            topic = Topics(settings).subscription(subscription.sink_type, subscription.sid)
            answers = await producer.enqueue_many(topic, copies) if copies else []
            done.events += sum(isinstance(answer, Acked) for answer in answers)
            progress()
            if refused := next((answer for answer in answers if not isinstance(answer, Acked)), None):
                raise ArchiveError(f"Kafka did not accept all events: {refused}; {done.events:,} events were replayed")
            free_s = max(free_s, loop.time()) + len(copies) / rate
            await asyncio.sleep(max(free_s - loop.time(), 0))


async def check_subscription(settings: Settings, subscription_sid: str) -> None:
    """Raise ArchiveError if there is no active subscription of that SID, before the user is asked to confirm."""
    await KafkaAdmin(settings).wait_for_broker()
    async with ControlFeed(settings, on_crash=_raise) as feed:
        _active(feed, subscription_sid)


def _active(feed: ControlFeed, sid: str) -> Subscription:
    found = feed.snapshot.subscriptions.get(sid)
    if found is None or found.state is not SubscriptionState.ACTIVE:
        raise ArchiveError(f"subscription {sid} does not exist: the API lists them at /v1/Subscriptions")
    return found


def _event(archived: ArchivedEvent) -> Event:
    """The event as its producer made it.

    Raises:
        ValueError: its time is not a valid timestamp.
    """
    time = parse_rfc3339(archived.time)
    to_ms(time)
    return Event(
        type=archived.type,
        source=archived.source,
        account_sid=archived.account_sid,
        data=archived.data,
        id=archived.id,
        time=time,
        subject=archived.subject,
        partition_key=archived.partition_key,
    )


def _raise(error: BaseException) -> None:
    raise error
