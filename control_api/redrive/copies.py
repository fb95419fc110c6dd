"""Decides for each record that a job reads: a copy for a subscription's topic, or why not. Pure."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

from control_api.redrive.dead_letter import DeadLetter
from control_api.redrive.jobs import JobKind
from control_api.redrive.selection import Selection, Selector
from eventstreams import headers as names
from eventstreams.client.values import SkipReason
from eventstreams.codec import Codec
from eventstreams.control.records import Subscription, SubscriptionState
from eventstreams.filters import CompiledFilters, FilterInput
from eventstreams.headers import ACCOUNT, again_headers
from eventstreams.kafka.records import Record
from eventstreams.kafka.transaction import Outgoing
from eventstreams.topics import Topics


@dataclass(frozen=True, slots=True)
class Copy:
    """A record to produce, with the event's own key and value."""

    record: Outgoing
    sink_type: str
    sink_sid: str


class Copier:
    """Decides for the records of one job or preview, by the subscriptions as they are at each call."""

    def __init__(
        self,
        kind: JobKind,
        selection: Selection,
        *,
        job_sid: str,
        topics: Topics,
        subscriptions: Callable[[], Mapping[str, Subscription]],
        default_ttl_ms: int,
        codec: Codec,
        accounts_for: Callable[[Subscription], Container[str]] | None = None,
    ) -> None:
        """``accounts_for``: returns the accounts whose events a replay to a subscription takes; None: only its own."""
        self._kind = kind
        self._selection = selection
        self._selector = Selector(selection, of_dead_letters=kind is JobKind.REDRIVE)
        self._job_sid = job_sid
        self._topics = topics
        self._subscriptions = subscriptions
        self._default_ttl_ms = default_ttl_ms
        self._codec = codec
        self._accounts_for = accounts_for
        self._accounts: Container[str] | None = None
        self._filters = CompiledFilters()

    def copy(self, record: Record, *, now_ms: int) -> Copy | SkipReason | None:
        """The copy to make of ``record``, or why it is skipped; None if it is not selected."""
        match self._kind:
            case JobKind.REDRIVE:
                dead_letter = DeadLetter.read(record, self._topics.sink_type_of_dead(record.topic) or "")
                if not self._selector.takes_dead_letter(dead_letter):
                    return None
                return self._copy(record, dead_letter.subscription_sid, dead_letter.accepted_ms, now_ms)
            case JobKind.REPLAY:
                if not self._selector.takes_event(record, self._known_accounts()):
                    return None
                return self._copy(record, self._selection.subscription_sid, record.timestamp_ms, now_ms)

    def _copy(
        self, record: Record, subscription_sid: str | None, accepted_ms: int | None, now_ms: int
    ) -> Copy | SkipReason:
        if subscription_sid is None or accepted_ms is None:
            return SkipReason.UNREADABLE
        subscription = self._subscriptions().get(subscription_sid)
        if subscription is None or subscription.state is not SubscriptionState.ACTIVE:
            return SkipReason.SUBSCRIPTION_DELETED
        if subscription.account_sid != self._selection.account_sid:
            return SkipReason.OTHER_ACCOUNT
        if self._kind is JobKind.REPLAY and not self._passes(record, subscription):
            return SkipReason.FILTERED
        owner = subscription.account_sid
        headers = again_headers(
            record.headers,
            accepted_at_ms=accepted_ms,
            deadline_ms=now_ms + subscription.lives_ms(self._default_ttl_ms),
            subscription_sid=subscription.sid,
            subscriber_sid=None if dict(record.headers).get(ACCOUNT) == owner.encode() else owner,
            job_sid=self._job_sid,
        )
        topic = self._topics.subscription(subscription.sink_type, subscription.sid)
        outgoing = Outgoing(topic, record.value, record.key, headers)
        return Copy(outgoing, subscription.sink_type, subscription.sink_sid)

    def _known_accounts(self) -> Container[str] | None:
        """The accounts whose events a replay takes. Computed once: for each record would be too expensive."""
        if self._accounts is None and self._accounts_for is not None:
            subscription = self._subscriptions().get(self._selection.subscription_sid or "")
            # Whatever the job says, nothing is taken for another account's subscription.
            if subscription is not None and subscription.account_sid == self._selection.account_sid:
                self._accounts = self._accounts_for(subscription)
        return self._accounts

    def _passes(self, record: Record, subscription: Subscription) -> bool:
        """Whether the filter takes the event now. (A dead letter has passed it before, and is selected explicitly.)"""
        if subscription.filter is None:
            return True
        headers = dict(record.headers)
        event_type = headers.get(names.TYPE, b"").decode(errors="replace")
        version = next((each.schema_version for each in subscription.types if each.type == event_type), None)
        reading = FilterInput(headers, record.value, self._codec)
        return version is None or self._filters.ask(subscription.filter, reading, version).verdict.delivers
