"""What the routes work with: the snapshot, the writer, and rules that involve more than one resource."""

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

MAX_SINKS: Final = 100  # per account: the reference's limits
MAX_SUBSCRIPTIONS: Final = 100
MAX_TOPICS: Final = 2 * MAX_SUBSCRIPTIONS
"""Per account, including topics of deleted subscriptions: removing a topic takes longer than creating one."""
MAX_DESCRIPTION: Final = 4096
"""Characters of a description. The reference names no limit, but every process keeps all of them in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """Everything that a request may need.

    Attributes:
        feed: Follows the control topic.
        writer: Writes resources; used while ``writing`` is held. What it is given is written together, when the request
            is answered.
        writing: Held while a write is checked and made, so that limits and references hold. On the primary only.
        admin: Administers Kafka.
        maker: Creates topics of subscriptions.
        topics: Names topics.
        catalog: The event types and schemas.
        plugins: The installed sink plugins by type.
        vault: Encrypts and decrypts.
        clock: The current time, in ms since the epoch.
        public_url: The start of URLs in answers; None: as the request was addressed.
        ttl: How long an event is tried, unless its subscription asks for less.
        must_validate: Whether a sink becomes active only once the id in a test event has come back. Some sink types
            always require that.
        one_subscription_per_sink: Whether a second subscription of a sink is refused.
        most_partitions: The limit on the partitions of all subscription topics together.
        sink_types: The types that have workers, so that sinks can be created; None: all installed types.
        mail: The operator's mail server; None: there is none, and sinks that send mail cannot be created.
        account_of_settings: The account whose token comes from the settings and can only be changed there; None: there
            is none.
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
        """Whether sinks of that type, if installed, can be created; those that send mail need a mail server, too."""
        return self.sink_types is None or sink_type in self.sink_types

    @property
    def delivered_types(self) -> Collection[str]:
        """The sink types that may have workers: those in the settings and all installed ones."""
        return {*self.plugins, *(self.sink_types or ())}

    @property
    def usable(self) -> Sequence[AnySinkPlugin]:
        """The plugins of which sinks can be created."""
        found = [each for each in self.plugins.values() if self.offers(each.sink_type)]
        return [each for each in found if self.mail is not None or not each.needs_mail]

    def validates(self, sink_type: str) -> bool:
        """Whether sinks of that type must be validated before they receive anything but tests."""
        return self.must_validate or self.is_anybodys(sink_type)

    def is_anybodys(self, sink_type: str) -> bool:
        """Whether the destination of such a sink may belong to somebody else, who has to agree first."""
        plugin = self.plugins.get(sink_type)
        return plugin is not None and plugin.must_validate

    @property
    def snapshot(self) -> Resources:
        """The current resources; while ``writing`` is held, including staged writes that are not on the topic yet."""
        staged = self.writing.staged()
        return SnapshotOverlay(self.feed.snapshot, staged) if staged else self.feed.snapshot

    def sinks_of(self, account_sid: str) -> Sequence[SinkRecord]:
        """The account's sinks, oldest first."""
        return list(self.snapshot.sinks_of(account_sid))

    def sink_of(self, account_sid: str, sid: str) -> SinkRecord | None:
        """The sink ``sid``; None if there is none, or if it belongs to another account."""
        found = self.snapshot.sinks.get(sid)
        return found if found is not None and found.account_sid == account_sid else None

    def subscriptions_of(self, account_sid: str) -> Sequence[Subscription]:
        """The account's subscriptions, oldest first, except those that are being deleted."""
        return list(_active(self.snapshot.subscriptions_of(account_sid)))

    def subscription_of(self, account_sid: str, sid: str) -> Subscription | None:
        """The subscription ``sid``; None if there is none, it belongs to another account, or it is being deleted."""
        found = self.snapshot.subscriptions.get(sid)
        mine = found is not None and found.account_sid == account_sid
        return found if mine and found is not None and found.state is SubscriptionState.ACTIVE else None

    def topics_of(self, account_sid: str) -> int:
        """How many topics the account's subscriptions have, including subscriptions that are being deleted."""
        return sum(1 for _ in self.snapshot.subscriptions_of(account_sid))

    def used_sinks(self, account_sid: str) -> set[str]:
        """The SIDs of the sinks that a subscription of the account delivers to."""
        return {each.sink_sid for each in self.subscriptions_of(account_sid)}

    def url(self, request: web.Request, path: str) -> str:
        """The absolute URL of ``path``, at which the sender of ``request`` can reach it."""
        return f"{(self.public_url or f'{request.scheme}://{request.host}').rstrip('/')}{path}"


PLANE: Final = web.AppKey("plane", ControlPlane)


def _active(subscriptions: Iterable[Subscription]) -> Iterable[Subscription]:
    return (each for each in subscriptions if each.state is SubscriptionState.ACTIVE)
