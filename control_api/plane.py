"""What the routes work with: the snapshot to read, the writer, and the rules that need more than one resource."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from aiohttp import web

from control_api.replicas.snapshot_overlay import Resources, SnapshotOverlay
from control_api.replicas.writing import ResourceWriter, Writing
from control_api.subscriptions.topics import TopicMaker
from eventstreams.catalog import Catalog
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import SinkRecord, Subscription, SubscriptionState
from eventstreams.control.vault import Vault
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.sinks import MailServer
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
        must_validate: A sink is active once the id in a test event has come back; some sink types always want that.
        one_subscription_per_sink: A second one is refused.
        most_partitions: Of all subscriptions' topics together.
        sink_types: Those of which sinks can be made, as they have workers; None: every one that is installed.
        mail: The operator's mail server; None: there is none, and no sink can be made that sends mail.
        account_of_settings: The account whose token is a setting, to be changed there alone; None: there is none.
    """

    feed: ControlFeed
    writer: ResourceWriter
    writing: Writing
    admin: KafkaAdmin
    maker: TopicMaker
    topics: Topics
    catalog: Catalog
    plugins: Mapping[str, AnySinkPlugin]
    vault: Vault
    clock: Clock
    public_url: str | None
    ttl: timedelta
    must_validate: bool = False
    one_subscription_per_sink: bool = False
    most_partitions: int = 5000
    sink_types: Sequence[str] | None = None
    mail: MailServer | None = None
    account_of_settings: str | None = None

    def offers(self, sink_type: str) -> bool:
        """Whether sinks of that type, if it is installed, can be made; those that send mail want a server, too."""
        return self.sink_types is None or sink_type in self.sink_types

    @property
    def delivered_types(self) -> Collection[str]:
        """Those that have workers, as far as is known here: the settings' and all that are installed."""
        return {*self.plugins, *(self.sink_types or ())}

    @property
    def usable(self) -> Sequence[AnySinkPlugin]:
        """The plugins of the sinks that can be made."""
        found = [each for each in self.plugins.values() if self.offers(each.sink_type)]
        return [each for each in found if self.mail is not None or not each.needs_mail]

    def validates(self, sink_type: str) -> bool:
        """Whether sinks of that type must be validated before they get anything but tests."""
        return self.must_validate or self.is_anybodys(sink_type)

    def is_anybodys(self, sink_type: str) -> bool:
        """Whether the destination of such a sink may be somebody else's, who has to agree first."""
        plugin = self.plugins.get(sink_type)
        return plugin is not None and plugin.must_validate

    @property
    def snapshot(self) -> Resources:
        """What there is; while ``writing`` is held with what others have put that is written together with it."""
        staged = self.writing.staged()
        return SnapshotOverlay(self.feed.snapshot, staged) if staged else self.feed.snapshot

    def sinks_of(self, account_sid: str) -> Sequence[SinkRecord]:
        """The account's sinks, oldest first."""
        return list(self.snapshot.sinks_of(account_sid))

    def sink_of(self, account_sid: str, sid: str) -> SinkRecord | None:
        """The sink ``sid``; None also where it is another account's."""
        found = self.snapshot.sinks.get(sid)
        return found if found is not None and found.account_sid == account_sid else None

    def subscriptions_of(self, account_sid: str) -> Sequence[Subscription]:
        """The account's subscriptions, oldest first, without those that are being deleted."""
        return list(_active(self.snapshot.subscriptions_of(account_sid)))

    def subscription_of(self, account_sid: str, sid: str) -> Subscription | None:
        """The subscription ``sid``; None also where it is another account's, or being deleted."""
        found = self.snapshot.subscriptions.get(sid)
        mine = found is not None and found.account_sid == account_sid
        return found if mine and found is not None and found.state is SubscriptionState.ACTIVE else None

    def topics_of(self, account_sid: str) -> int:
        """How many topics the account's subscriptions have, those that are being deleted among them."""
        return sum(1 for _ in self.snapshot.subscriptions_of(account_sid))

    def used_sinks(self, account_sid: str) -> set[str]:
        """SIDs of the sinks that a subscription of the account delivers to."""
        return {each.sink_sid for each in self.subscriptions_of(account_sid)}

    def url(self, request: web.Request, path: str) -> str:
        """The absolute URL of ``path``, as whoever sent ``request`` can reach it."""
        return f"{(self.public_url or f'{request.scheme}://{request.host}').rstrip('/')}{path}"


PLANE: Final = web.AppKey("plane", ControlPlane)


def _active(subscriptions: Iterable[Subscription]) -> Iterable[Subscription]:
    return (each for each in subscriptions if each.state is SubscriptionState.ACTIVE)
