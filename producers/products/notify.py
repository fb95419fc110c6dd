"""Notify: a class for each event type.

Written by ``eventstreams generate-producers`` from the catalogue: change it there.
"""

from dataclasses import dataclass

from typing_extensions import override

from eventstreams.events import Event
from producers.product_event import Data, ProductEvent, timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationDelivered(ProductEvent):
    """A push notification has reached its device, or did not (``Notify.PushNotificationDelivery``, version 1)."""

    TYPE = "com.twilio.notify.notification.delivered"

    service_sid: str | None = None
    """SID of the Notify service, IS and 32 hexadecimal digits."""
    notification_sid: str
    """SID of the notification, NT and 32 hexadecimal digits."""
    binding_sid: str | None = None
    """SID of the binding of user and device, BS and 32 hexadecimal digits."""
    identity: str | None = None
    """The user that it is for."""
    binding_type: str | None = None
    """How the device is reached, such as apn, fcm or sms."""
    status: str | None = None
    """What became of it, such as sent, delivered or failed."""
    error_code: int | None = None
    """Why it was not delivered; absent where it was."""

    @override
    def event(self) -> Event:
        data: Data = {
            "account_sid": self.account_sid,
            "service_sid": self.service_sid,
            "notification_sid": self.notification_sid,
            "binding_sid": self.binding_sid,
            "identity": self.identity,
            "binding_type": self.binding_type,
            "status": self.status,
            "error_code": self.error_code,
            "timestamp": timestamp(self.time),
        }
        return self._event(
            data,
            version=1,
            source=f"/v1/Notifications/{self.notification_sid}",
            key=self.notification_sid,
        )
