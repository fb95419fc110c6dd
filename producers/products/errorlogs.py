"""Error logs: a class for each event type.

Written by ``eventstreams generate-producers`` from the catalogue: change it there.
"""

from dataclasses import dataclass, field

from typing_extensions import override

from eventstreams.events import Event
from producers.product_event import Data, ProductEvent, ids, timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorLogged(ProductEvent):
    """Something went wrong in an account, such as a delivery to a sink of its own.

    Something went wrong, or may go wrong, in one of the products an account uses (``ErrorLogs.Error``, version 2).
    """

    TYPE = "com.twilio.error-logs.error.logged"

    id: str = field(default_factory=ids("NO"))
    level: str | None = None
    """How grave it is, such as ERROR or WARNING."""
    master_account_sid: str | None = None
    """SID of the account above it; its own where there is none."""
    request_sid: str | None = None
    """SID of the API request that led to it, RQ and 32 hexadecimal digits."""
    service_sid: str | None = None
    """SID of the service in which it happened, ZH and 32 hexadecimal digits."""
    correlation_sid: str | None = None
    """SID that all entries of one cause share, ZE and 32 hexadecimal digits."""
    product_name: str | None = None
    """Which product it happened in, such as Event Streams."""
    error_code: str | None = None
    """Code of the error, as text."""
    payload: str | None = None
    """What else is known, as a JSON object in a string; its fields depend on the product."""

    @override
    def event(self) -> Event:
        data: Data = {
            "sid": self.id,
            "account_sid": self.account_sid,
            "date_created": timestamp(self.time),
            "level": self.level,
            "master_account_sid": self.master_account_sid,
            "request_sid": self.request_sid,
            "service_sid": self.service_sid,
            "correlation_sid": self.correlation_sid,
            "product_name": self.product_name,
            "error_code": self.error_code,
            "payload": self.payload,
        }
        return self._event(data, version=2, source=f"/v1/Alerts/{self.id}")
