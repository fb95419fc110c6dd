"""What a sink plugin is. Plugins import ``eventstreams.sinks`` and their client library, nothing else of ours.

A plugin is a ``SinkPlugin`` value, registered under the entry-point group ``eventstreams.sinks`` by its sink
type. It opens one ``Sink`` for each configured destination. The worker does everything else: batching as the
capabilities say, time limits, retries, pauses, counting, dead letters. So a plugin never retries, sleeps,
batches or counts.
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
"""Grows when a plugin written for the version before would no longer work."""


class Sink(Protocol):
    """One configured destination, open. Its methods run on the worker's event loop, ``deliver`` many at a time."""

    async def deliver(self, batch: Sequence[OutboundEvent], /) -> Sequence[DeliveryOutcome]:
        """Try ``batch`` once and return exactly one outcome for each event, in order.

        To raise, to hang or to return another number of outcomes says nothing about the events: all of
        them are then tried again.
        """

    async def probe(self) -> DeliveryOutcome:
        """Look whether the destination is there and lets us in, by something that nobody there takes for an event."""

    async def aclose(self) -> None:
        """Let go of connections. Deliveries under way may fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """How the worker may use one sink.

    Attributes:
        timeout_s: A delivery that takes longer is taken for hung and cancelled; so is ``open``.
        max_batch_events: Most events of one ``deliver``.
        max_batch_bytes: Most bytes of their JSON together; a single larger event still comes, alone.
        sized_as_avro: Whether that is of their Avro, as they were accepted, instead: for a sink that takes ``avro`` and
            makes no JSON. Their ``data`` is then read only if it is looked at.
        linger_s: How long to wait for a batch to fill.
        max_in_flight: Most deliveries side by side.
        tried_together: Whether the events of a delivery that failed wait in order and are tried again together, a few
            times at least. If not, only a sink that fails as a whole has them wait; else each goes its own way.
        pause_s: How long the sink is left alone after each delivery; its events wait in their topic meanwhile.
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
    """What the worker lends to a sink for as long as it is open.

    Attributes:
        sink_sid: Which sink.
        account_sid: Whose.
        signing_tokens: Account auth tokens that a receiver may check against, the one to sign with first.
            A sink is opened anew when they change.
        guard: Must be asked before each connection to an address that came from the configuration;
            ``open_connection`` does.
        user_agent: For protocols that have such a thing.
        mail: The operator's mail server; there is one where the plugin ``needs_mail``.
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
    """Secrets of a sink's own, which its deliveries are signed with and receivers check by.

    They live in the sink's configuration. ``create`` and ``rotate`` return keys of it with their new values.

    Attributes:
        show: What a receiver needs in order to check, as JSON for the sink's owner alone; None where a sink with
            this configuration signs with no such secret.
        create: What to add to the configuration of a new sink: a secret where the subscriber gave none.
        rotate: What to change for another secret, given the time and how long the old one signs beside it. Only
            called where ``show`` returns something. Raises ValueError with a sentence where it cannot be done now.
    """

    show: Callable[[ConfigT], Mapping[str, object] | None]
    create: Callable[[ConfigT], Mapping[str, object]]
    rotate: Callable[[ConfigT, datetime, timedelta], Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkPlugin(Generic[ConfigT]):
    """One kind of sink.

    Attributes:
        sink_type: The reference's ``sink_type``; also part of topic names, so ``[a-z0-9-]`` only.
        summary: Where its events go, in one line for people who choose among types.
        config: Model of ``SinkConfiguration``. Its validation messages are shown to subscribers; a field of type
            ``SecretStr`` is never shown again. ``public(config)`` is what the API answers.
        capabilities: How to use a sink with this configuration.
        public: The configuration as the API may show it, without secrets; by default what was given of it.
        open: Makes the sink; connects lazily or at once. To raise means that the sink is unusable now; its
            events wait.
        signing: Where sinks of this type can have signing secrets: how to make, show and rotate them.
        requires: Modules that only its worker needs, such as a client library, each to what pip would install to bring
            it. Import them in ``open``: the API, and the workers of other types, then do without them.
        needs_mail: Its sinks send mail through the operator's server: where there is none, none of them can be made.
        must_validate: Its sinks get nothing but a test event until the id in it was given back, whatever the
            operator has set: for a destination that somebody else than the subscriber may own.
        api_version: The ``API_VERSION`` it was written for.
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
"""A plugin whose configuration model is not known statically, as the registry holds it."""
