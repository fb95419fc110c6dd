"""The event types that a subscription may ask for."""

import pytest

from control_api.subscriptions.subscribed_types import subscribable
from eventstreams.catalog import Catalog
from eventstreams.http import RefusedError


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("com.twilio.messaging.message.snt", ".snt: did you mean com.twilio.messaging.message.sent?"),
        ("com.twilio.messaging.mesage.delivered", ": did you mean com.twilio.messaging.message.delivered?"),
        ("com.acme.parcel.delivered", "com.acme.parcel.delivered"),
        ("com.twilio.eventstreams.test-evnt", "com.twilio.eventstreams.test-evnt"),
        ("x" * 100_000, "x" * 200),
    ],
    ids=["misspelt", "misspelt earlier", "of nobody", "internal", "long"],
)
def test_a_misspelt_type_is_refused_with_the_one_that_was_probably_meant(name: str, words: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        subscribable(name, None, Catalog.load(), sink_type="webhook")

    assert str(refusal.value).startswith("Type not found in the system: ")
    assert str(refusal.value).endswith(words)
