"""Defines what a sink plugin is. Plugins import ``eventstreams.sinks`` and their client library, nothing else of ours.

A plugin is a ``SinkPlugin`` value, registered by its sink type in the entry-point group ``eventstreams.sinks``. It
opens one ``Sink`` for each configured destination. The worker does everything else: batching as the capabilities say,
time limits, retries, pauses, counting, dead letters. So a plugin never retries, sleeps, batches or counts.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Generic, Protocol, TypeVar

from pydantic import BaseModel

from eventstreams.sinks.event import OutboundEvent
from eventstreams.sinks.guard import DestinationGuard
from eventstreams.sinks.mail import MailServer
from eventstreams.sinks.outcomes import DeliveryOutcome
from eventstreams.sinks.shown import shown

API_VERSION: Final = 1
"""Increased when plugins written for the previous version would no longer work."""


class Sink(Protocol):
    """An open destination. Its methods run on the worker's event loop, with many ``deliver`` calls at the same time."""

    async def deliver(self, batch: Sequence[OutboundEvent], /) -> Sequence[DeliveryOutcome]:
        """Try ``batch`` once and return exactly one outcome for each event, in order.

        If it raises, hangs or returns another number of outcomes, that says nothing about the events, so all of them
        are tried again.
        """

    async def probe(self) -> DeliveryOutcome:
        """Check that the destination is reachable and lets us in, sending nothing that could pass for an event."""

    async def aclose(self) -> None:
        """Close connections. Deliveries in progress may fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """How the worker may use one sink.

    Attributes:
        timeout_s: A delivery that takes longer counts as hung and is cancelled; the same goes for ``open``.
        max_batch_events: The most events in one ``deliver``.
        max_batch_bytes: The most bytes of their JSON together; a single larger event is still delivered, alone.
        sized_as_avro: Whether ``max_batch_bytes`` limits their Avro, as accepted, instead: for a sink that uses
            ``avro`` and makes no JSON. Their ``data`` is then decoded only when it is accessed.
        linger_s: How long to wait for a batch to fill.
        max_in_flight: The most concurrent deliveries.
        tried_together: Whether the events of a failed delivery wait in order and are retried together, at least a few
            times. If not, they wait only while the sink fails as a whole; otherwise each is retried on its own.
        pause_s: How long to wait after each delivery before the next; the sink's events wait in their topic meanwhile.
    """

    timeout_s: float
    max_batch_events: int = 1
    max_batch_bytes: int = 1 << 20
    sized_as_avro: bool = False
    linger_s: float = 0.0
    max_in_flight: int = 64
    tried_together: bool = False
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkContext:
    """What the worker provides to a sink for as long as it is open.

    Attributes:
        sink_sid: The SID of the sink.
        account_sid: The SID of its account.
        signing_tokens: Account auth tokens that receivers may check signatures against; sign with the first. The sink
            is reopened when they change.
        guard: Must be asked before each connection to an address that came from the configuration;
            ``open_connection`` does so.
        user_agent: For protocols that have one.
        mail: The operator's mail server; always set if the plugin ``needs_mail``.
    """

    sink_sid: str
    account_sid: str
    signing_tokens: Sequence[str] = field(repr=False)
    guard: DestinationGuard
    user_agent: str
    mail: MailServer | None = None


ConfigT = TypeVar("ConfigT", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningSecrets(Generic[ConfigT]):
    """A sink's own secrets, with which its deliveries are signed and receivers check them.

    They are stored in the sink's configuration. ``create`` and ``rotate`` return keys of it with their new values.

    Attributes:
        show: What a receiver needs in order to check signatures, as JSON that only the sink's owner sees; None if a
            sink with this configuration does not sign with such a secret.
        create: What to add to the configuration of a new sink: a secret, if the subscriber gave none.
        rotate: What to change to get a new secret, given the current time and how long the old one is used beside it.
            Called only if ``show`` returns something. Raises ValueError with a sentence if it cannot be done now.
    """

    show: Callable[[ConfigT], Mapping[str, object] | None]
    create: Callable[[ConfigT], Mapping[str, object]]
    rotate: Callable[[ConfigT, datetime, timedelta], Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkPlugin(Generic[ConfigT]):
    """One kind of sink.

    Attributes:
        sink_type: The reference's ``sink_type``; also part of topic names, so ``[a-z0-9-]`` only.
        summary: Where its events go, in one line, for people choosing a type.
        config: Pydantic model of ``SinkConfiguration``. Its validation messages are shown to subscribers; a field of
            type ``SecretStr`` is never shown again. The API answers with ``public(config)``.
        capabilities: How to use a sink with this configuration.
        public: The configuration as the API may show it, without secrets; by default the values that were given.
        open: Makes the sink; connects lazily or at once. Raising means that the sink is unusable now; its events wait.
        signing: How to make, show and rotate signing secrets, if sinks of this type can have them.
        requires: Modules that only its worker needs, such as a client library, each mapped to the pip requirement that
            provides it. Import them in ``open``, so that the API and the workers of other types do without them.
        needs_mail: Its sinks send mail through the operator's server; without one, none can be created.
        must_validate: Its sinks get nothing but a test event until the id in it has been confirmed, whatever the
            operator's settings: for destinations that may belong to somebody other than the subscriber.
        api_version: The ``API_VERSION`` that it was written for.
    """

    sink_type: str
    config: type[ConfigT]
    capabilities: Callable[[ConfigT], Capabilities]
    open: Callable[[ConfigT, SinkContext], Awaitable[Sink]]
    public: Callable[[ConfigT], Mapping[str, object]] = shown
    signing: SigningSecrets[ConfigT] | None = None
    requires: Mapping[str, str] = field(default_factory=dict)
    needs_mail: bool = False
    must_validate: bool = False
    summary: str = ""
    api_version: int = API_VERSION


AnySinkPlugin = SinkPlugin[BaseModel]
"""A plugin whose configuration model is not known statically, such as those in the registry."""
