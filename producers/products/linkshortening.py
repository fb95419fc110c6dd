"""Link shortening: a class for each event type.

Written by ``eventstreams generate-producers`` from the catalogue: change it there.
"""

from dataclasses import dataclass

from typing_extensions import override

from eventstreams.events import Event
from producers.product_event import Data, ProductEvent, timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkClicked(ProductEvent):
    """A shortened link of a message was followed.

    Somebody has followed a shortened link of a message (``DapTbt.LinkClicked``, version 3).
    """

    TYPE = "com.twilio.daptbt.link-shortening.link-clicked"

    message_sid: str
    """SID of the message with the link."""
    messaging_service_sid: str | None = None
    """SID of the messaging service that sent it."""
    to: str | None = None
    """Recipient of the message, in E.164."""
    from_: str | None = None
    """Sender of the message: a number, a short code or a name."""
    link: str | None = None
    """Where the link leads."""
    shortened_link: str | None = None
    """The link as it stood in the message."""
    link_create_time: str | None = None
    """When the link was shortened, RFC 3339."""
    user_agent: str | None = None
    """What the browser calls itself; absent where it says nothing."""

    @override
    def event(self) -> Event:
        data: Data = {
            "message_sid": self.message_sid,
            "account_sid": self.account_sid,
            "messaging_service_sid": self.messaging_service_sid,
            "to": self.to,
            "from": self.from_,
            "link": self.link,
            "shortened_link": self.shortened_link,
            "link_create_time": self.link_create_time,
            "click_time": timestamp(self.time),
            "user_agent": self.user_agent,
        }
        return self._event(data, version=3, source="/v1/LinkShortening/Clicks", key=self.message_sid)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkShortened(ProductEvent):
    """A link of a message was shortened before it was sent (``DapTbt.LinkShortened``, version 1)."""

    TYPE = "com.twilio.daptbt.link-shortening.link-shortened"

    message_sid: str
    """SID of the message with the link."""
    messaging_service_sid: str | None = None
    """SID of the messaging service that sends it."""
    to: str | None = None
    """Recipient of the message, in E.164."""
    from_: str | None = None
    """Sender of the message: a number, a short code or a name."""
    link: str | None = None
    """Where the link leads."""
    shortened_link: str | None = None
    """The link as it stands in the message."""

    @override
    def event(self) -> Event:
        data: Data = {
            "message_sid": self.message_sid,
            "account_sid": self.account_sid,
            "messaging_service_sid": self.messaging_service_sid,
            "to": self.to,
            "from": self.from_,
            "link": self.link,
            "shortened_link": self.shortened_link,
            "link_create_time": timestamp(self.time),
        }
        return self._event(data, version=1, source="/v1/LinkShortening/Links", key=self.message_sid)
