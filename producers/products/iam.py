"""Identity and access: a class for each event type.

Written by ``eventstreams generate-producers`` from the catalogue: change it there.
"""

from dataclasses import dataclass

from typing_extensions import override

from eventstreams.events import Event
from producers.product_event import Data, ProductEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class _IPBlocked(ProductEvent):
    """A request was refused for the address it came from, or would have been (``Iam.IPBlocked``, version 2)."""

    timestamp_: str
    """When it came, in milliseconds since 1970, as text."""
    request_sid: str | None = None
    """SID of the request, RQ and 32 hexadecimal digits."""
    address: str | None = None
    """Internet address that it came from."""
    action: str | None = None
    """HTTP method of the request."""
    resource: str | None = None
    """Path of the request."""
    authentication_method: str | None = None
    """How it proved who it is, such as api_key or auth_token."""
    auth_sid: str | None = None
    """SID of the key that it used, SK and 32 hexadecimal digits; absent where it used none."""

    @override
    def event(self) -> Event:
        data: Data = {
            "timestamp": self.timestamp_,
            "account_sid": self.account_sid,
            "request_sid": self.request_sid,
            "address": self.address,
            "action": self.action,
            "resource": self.resource,
            "authentication_method": self.authentication_method,
            "auth_sid": self.auth_sid,
        }
        return self._event(data, version=2, source=f"/v1/Accounts/{self.account_sid}")


class IpBlocked(_IPBlocked):
    """A request was refused for the address it came from."""

    TYPE = "com.twilio.iam.ip.blocked"


class IpBlockedDryrun(_IPBlocked):
    """A request would have been refused, were the rule in force."""

    TYPE = "com.twilio.iam.ip.blocked.dryrun"
