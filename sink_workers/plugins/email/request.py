"""Builds a mail from events: a readable summary, and the events themselves as an attachment. Pure.

Headers are built by the standard library's policy, which allows no line breaks in them. The mail that asks an address
for its consent contains nothing that a subscriber chose.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from eventstreams.sinks import MailServer, OutboundEvent
from sink_workers.plugins.email.config import EmailConfig

TEST_EVENT: Final = "com.twilio.eventstreams.test-event"  # as in the reference
_POLICY: Final = SMTP.clone(cte_type="7bit")  # not every server takes 8-bit mail
_LISTED: Final = 50  # events that the summary names: all of them are in the attachment
_MAX_TEXT: Final = 100  # characters of an id, type or time in a line
_FILE: Final = "events.json"


@dataclass(frozen=True, slots=True)
class Writer:
    """Builds the mails of one sink."""

    config: EmailConfig
    server: MailServer
    sink_sid: str
    account_sid: str

    def mail(self, events: Sequence[OutboundEvent], *, now: datetime) -> bytes:
        """Build the mail with ``events``, in lines of at most 998 bytes that end with CR LF.

        Args:
            events: At least one, in order.
            now: The mail's date, timezone-aware.
        """
        is_test = all(event.type == TEST_EVENT for event in events)
        mail = EmailMessage(_POLICY)
        mail["From"] = Address(self.server.sender_name, addr_spec=self.server.sender)
        mail["To"] = Address(addr_spec=self.config.to)
        mail["Subject"] = self._subject(events, is_test=is_test)
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = self.message_id(events)
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: suppresses vacation replies
        mail.set_content(self._request(events[-1]) if is_test else self._summary(events))
        array = b"[" + b",".join(event.json() for event in events) + b"]"
        mail.add_attachment(array, maintype="application", subtype="json", filename=_FILE)
        return mail.as_bytes()

    def message_id(self, events: Sequence[OutboundEvent]) -> str:
        """The Message-ID: the same for the same events to the same address, so that duplicates can be recognized."""
        named = [self.sink_sid, self.config.to]
        for event in events:
            # All tests of an account have the same event id; only their data differ.
            named += [event.source, event.id, str(event.data) if event.type == TEST_EVENT else ""]
        digest = hashlib.sha256("\0".join(named).encode(errors="surrogatepass")).hexdigest()
        return f"<{digest[:40]}@{self.server.sender.rpartition('@')[2]}>"

    def _subject(self, events: Sequence[OutboundEvent], *, is_test: bool) -> str:
        if is_test:
            return f"May we send you events by mail? (sink {self.sink_sid})"
        return f"{self.config.subject}: {len(events):,} event{'' if len(events) == 1 else 's'}"

    def _request(self, event: OutboundEvent) -> str:
        return (
            f"Account {self.account_sid} would like to send events to this address by mail, through\n"
            f"sink {self.sink_sid}.\n"
            "\n"
            "If you agree, give this code to whoever asked you, or send it back yourself as TestId:\n"
            "\n"
            f"    {_plain(str(event.data.get('test_id', '')))}\n"
            "\n"
            f"    POST /v1/Sinks/{self.sink_sid}/Validate\n"
            "\n"
            "If you do not agree, do nothing: until the code is sent back, you will only receive such requests.\n"
        )

    def _summary(self, events: Sequence[OutboundEvent]) -> str:
        counts = Counter(event.type for event in events)
        lines = [f"{len(events):,} of account {self.account_sid}:", ""]
        lines += [f"{count:>7,}  {_plain(name)}" for name, count in counts.most_common()]
        lines += ["", "In order:" if len(events) <= _LISTED else f"The first {_LISTED} of them, in order:", ""]
        lines += [f"{_plain(event.time)}  {_plain(event.type)}  {_plain(event.id)}" for event in events[:_LISTED]]
        lines += ["", f"The complete events are in {_FILE}, as an array of CloudEvents.", ""]
        lines += ["-- ", f"Sent by sink {self.sink_sid}, because the owner of this address agreed to it.", ""]
        return "\n".join(lines)


def _plain(text: str) -> str:
    """``text`` made safe for use in a line: an event cannot add lines of its own."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text[:_MAX_TEXT])
