"""What the API that asks for the test of a sink and the worker that makes it have to agree on.

A test event travels like a subscription's copy, on a topic of its own for each sink type, and ``es_subscription`` is
the sink's SID: a sink can be tested that nobody has subscribed. Samples of other types go the same way.
"""

from collections.abc import Mapping
from typing import Final

from eventstreams.control.records import SinkRecord, SubscribedType, Subscription
from eventstreams.events import Event

TEST_EVENT: Final = "com.twilio.eventstreams.test-event"
_SOURCE: Final = "Sink"
_SCHEMA_VERSION: Final = 1
_SOURCE_OF_SAMPLES: Final = "Sample"
_NO_TYPES: Final[tuple[SubscribedType, ...]] = ()  # one object: workers ask whether it is still the same


def event_of_test(sink: SinkRecord, test_id: str) -> Event:
    """The event that tests ``sink``. As the reference has it, its id is that of the account, in every test."""
    return Event(
        type=TEST_EVENT,
        source=_SOURCE,
        account_sid=sink.account_sid,
        id=sink.account_sid,
        data={"test_id": test_id},
        schema_version=_SCHEMA_VERSION,
    )


def sample_of(sink: SinkRecord, subscribed: SubscribedType, data: Mapping[str, object]) -> Event:
    """A sample for ``sink``, with an id of its own. By its source a receiver can tell it from what has happened."""
    return Event(
        type=subscribed.type,
        source=_SOURCE_OF_SAMPLES,
        account_sid=sink.account_sid,
        data=data,
        schema_version=subscribed.schema_version,
    )


def as_subscription(sink: SinkRecord) -> Subscription:
    """Stands in where a delivery wants a subscription: the one of ``sink`` to its own tests and samples.

    It names no types: whatever comes was meant for the sink, in the schema version that it was written in.
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
    """Whether ``as_subscription`` made it."""
    return subscription.sid == subscription.sink_sid
