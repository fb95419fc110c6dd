"""What the API, which requests the test of a sink, and the worker, which performs it, must agree on.

A test event travels like a subscription's copy of an event, on one topic per sink type, with the sink's SID as
``es_subscription``: so a sink without subscriptions can be tested too. Samples of event types go the same way.
"""

from collections.abc import Mapping
from typing import Final

from eventstreams.control.records import SinkRecord, SubscribedType, Subscription
from eventstreams.events import Event

TEST_EVENT: Final = "com.twilio.eventstreams.test-event"
_SOURCE: Final = "Sink"
_SCHEMA_VERSION: Final = 1
_SOURCE_OF_SAMPLES: Final = "Sample"
_NO_TYPES: Final[tuple[SubscribedType, ...]] = ()  # one object: workers check whether it is still the same


def event_of_test(sink: SinkRecord, test_id: str) -> Event:
    """The event that tests ``sink``. As in the reference, its id is always the account's SID."""
    return Event(
        type=TEST_EVENT,
        source=_SOURCE,
        account_sid=sink.account_sid,
        id=sink.account_sid,
        data={"test_id": test_id},
        schema_version=_SCHEMA_VERSION,
    )


def sample_of(sink: SinkRecord, subscribed: SubscribedType, data: Mapping[str, object]) -> Event:
    """A sample event for ``sink``, with an id of its own. Its source tells receivers that it is not a real event."""
    return Event(
        type=subscribed.type,
        source=_SOURCE_OF_SAMPLES,
        account_sid=sink.account_sid,
        data=data,
        schema_version=subscribed.schema_version,
    )


def as_subscription(sink: SinkRecord) -> Subscription:
    """A stand-in for code that needs a subscription: the one of ``sink`` to its own tests and samples.

    It names no types: whatever arrives is meant for the sink, in the schema version in which it was written.
    """
    return Subscription(
        sid=sink.sid,
        account_sid=sink.account_sid,
        sink_sid=sink.sid,
        sink_type=sink.sink_type,
        description="",
        types=_NO_TYPES,
        created_ms=sink.created_ms,
        updated_ms=sink.updated_ms,
    )


def is_stand_in(subscription: Subscription) -> bool:
    """Whether ``subscription`` was made by ``as_subscription``."""
    return subscription.sid == subscription.sink_sid
