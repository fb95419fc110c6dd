"""What the delivery log takes in, as tests want it."""

from control_api.delivery_log.store import AcceptedEvent, LoggedEntry
from eventstreams.attempts import Entry
from tests.support.entries import ACCOUNT, NOW_MS


def logged(entry: Entry, offset: int, *, partition: int = 0, position: int = 0) -> LoggedEntry:
    return LoggedEntry(partition, offset, position, entry)


def make_event(
    event_id: str = "EZ1", *, accepted_ms: int = NOW_MS, offset: int = 0, account_sid: str = ACCOUNT
) -> AcceptedEvent:
    return AcceptedEvent(
        accepted_ms, 0, offset, event_id, account_sid, "com.acme.message.sent", "2026-09-21T14:13:20.000Z"
    )
