"""What the routes work with: the snapshot to read, the writer, and the rules that need more than one resource."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from aiohttp import web

from control_api.replicas.writing import ResourceWriter, Writing
from eventstreams.catalog import Catalog
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import SinkRecord, Subscription, SubscriptionState
from eventstreams.control.vault import Vault
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.times import Clock
from eventstreams.topics import Topics

MAX_SINKS: Final = 100  # of an account: the reference's limits
MAX_SUBSCRIPTIONS: Final = 100
MAX_TOPICS: Final = 2 * MAX_SUBSCRIPTIONS
"""Of an account, with those of deleted subscriptions that are still there: they go more slowly than others are made."""
MAX_DESCRIPTION: Final = 4096
"""Characters of a description; the reference names no bound. Every process keeps those of everybody in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """Everything that a request may need.

    Attributes:
        writing: Held while a write is checked and made, so that limits and references hold: on the primary alone.
        writer: Used while ``writing`` is held; what it is given is written together when the request is answered.
        ttl: How long an event is tried where its subscription asks for nothing shorter.
        public_url: Start of the URLs in answers; None: where the request was sent to.
        must_validate: A sink is active once the id in a test event has come back.
        one_subscription_per_sink: A second one is refused.
        account_of_settings: The account whose token is a setting, to be changed there alone; None: there is none.
    """

    feed: ControlFeed
    writer: ResourceWriter
    writing: Writing
    admin: KafkaAdmin
    topics: Topics
    catalog: Catalog
    plugins: Mapping[str, AnySinkPlugin]
    vault: Vault
    clock: Clock
    public_url: str | None
    ttl: timedelta
    must_validate: bool = False
    one_subscription_per_sink: bool = False
    account_of_settings: str | None = None

    def sinks_of(self, account_sid: str) -> Sequence[SinkRecord]:
        """The account's sinks, oldest first."""
        return list(self.feed.snapshot.sinks_of(account_sid))

    def sink_of(self, account_sid: str, sid: str) -> SinkRecord | None:
        """The sink ``sid``; None also where it is another account's."""
        found = self.feed.snapshot.sinks.get(sid)
        return found if found is not None and found.account_sid == account_sid else None

    def subscriptions_of(self, account_sid: str) -> Sequence[Subscription]:
        """The account's subscriptions, oldest first, without those that are being deleted."""
        return list(_active(self.feed.snapshot.subscriptions_of(account_sid)))

    def subscription_of(self, account_sid: str, sid: str) -> Subscription | None:
        """The subscription ``sid``; None also where it is another account's, or being deleted."""
        found = self.feed.snapshot.subscriptions.get(sid)
        mine = found is not None and found.account_sid == account_sid
        return found if mine and found is not None and found.state is SubscriptionState.ACTIVE else None

    def topics_of(self, account_sid: str) -> int:
        """How many topics the account's subscriptions have, those that are being deleted among them."""
        return sum(1 for _ in self.feed.snapshot.subscriptions_of(account_sid))

    def used_sinks(self, account_sid: str) -> set[str]:
        """SIDs of the sinks that a subscription of the account delivers to."""
        return {each.sink_sid for each in self.subscriptions_of(account_sid)}

    def url(self, request: web.Request, path: str) -> str:
        """The absolute URL of ``path``, as whoever sent ``request`` can reach it."""
        return f"{(self.public_url or f'{request.scheme}://{request.host}').rstrip('/')}{path}"


PLANE: Final = web.AppKey("plane", ControlPlane)


def _active(subscriptions: Iterable[Subscription]) -> Iterable[Subscription]:
    return (each for each in subscriptions if each.state is SubscriptionState.ACTIVE)
