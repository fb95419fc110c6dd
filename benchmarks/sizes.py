"""``python -m benchmarks.sizes``: sizes in Kafka, in bytes, of an event's headers, a copy's headers and an attempt."""

from typing import Final

from benchmarks.events import ACCOUNT, encoded
from eventstreams.attempts import Entry, EntryKind
from eventstreams.attempts import encode as encode_attempts
from eventstreams.headers import Headers, routed_headers

_COUNT: Final = 1000
_NOW_MS: Final = 1_774_757_062_345
_SUBSCRIPTION, _SINK = "DF" + "1" * 32, "DG" + "1" * 32


def main() -> None:
    events = encoded(_COUNT)
    headers = sum(_bytes(each.headers) for each in events) / _COUNT
    copies = sum(
        _bytes(
            routed_headers(
                each.headers, accepted_at_ms=_NOW_MS, deadline_ms=_NOW_MS + 14_400_000, subscription_sid=_SUBSCRIPTION
            )
        )
        for each in events
    )
    entries = [
        Entry(
            kind=EntryKind.DELIVERED,
            at_ms=_NOW_MS,
            event_id="EZ" + "1" * 32,
            event_type="com.twilio.messaging.message.delivered",
            account_sid=ACCOUNT,
            subscription_sid=_SUBSCRIPTION,
            sink_sid=_SINK,
            sink_type="webhook",
            attempt=1,
            duration_ms=123,
            accepted_ms=_NOW_MS,
            deadline_ms=_NOW_MS,
            origin=f"es.sub.webhook.{_SUBSCRIPTION}/0/123456",
            status=200,
        )
    ] * _COUNT
    print(f"headers of an event, and its key:  {headers + 34:.0f} bytes")
    print(f"headers of a copy, and its key:    {copies / _COUNT + 34:.0f} bytes")
    print(f"an attempt, without compression:   {len(encode_attempts(entries)) / _COUNT:.0f} bytes")


def _bytes(headers: Headers) -> int:
    return sum(len(name) + len(value) for name, value in headers)


if __name__ == "__main__":
    main()
