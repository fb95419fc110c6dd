"""Entries of the attempts topic, as tests want them."""

from typing import Any

from eventstreams.attempts import Entry

ACCOUNT = "AC" + "1" * 32
OTHER_ACCOUNT = "AC" + "2" * 32
SUBSCRIPTION = "DF" + "1" * 32
SINK = "DG" + "1" * 32
NOW_MS = 1_790_000_000_000


def make_entry(kind: str = "delivered", *, event_id: str = "EZ1", at_ms: int = NOW_MS, **changes: Any) -> Entry:
    entry = Entry(
        kind=kind,
        at_ms=at_ms,
        event_id=event_id,
        event_type="com.acme.message.sent",
        account_sid=ACCOUNT,
        subscription_sid=SUBSCRIPTION,
        sink_sid=SINK,
        sink_type="webhook",
        attempt=1,
        duration_ms=12,
        accepted_ms=NOW_MS - 1000,
        deadline_ms=NOW_MS + 60_000,
        origin=f"es.sub.webhook.{SUBSCRIPTION}/0/7",
    )
    if kind in {"retry_later", "rejected", "died"}:
        entry = entry._replace(
            rests_at="es.dead.webhook/0/3", reason="refused", code=91305, status=400, detail="HTTP 400", answer="no"
        )
    return entry._replace(**changes)
