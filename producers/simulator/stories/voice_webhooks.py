"""Voice's webhook events: each describes a request, by us to the customer's server or by the customer to the API."""

from dataclasses import dataclass
from email.utils import format_datetime
from typing import Final

from eventstreams.events import Event
from producers.simulator.scene import Scene

_CUSTOMER: Final = "https://voice.example.com"
_API: Final = "https://api.example.com/2010-04-01/Accounts"
_OK: Final = 200
_EMPTY: Final = "PFJlc3BvbnNlLz4="  # <Response/>
_HTTP_FAILURE: Final = 502  # reported for a server that does not answer


@dataclass(frozen=True, slots=True)
class Resource:
    """A call or a conference that events are about."""

    sid: str
    kind: str
    parameters: dict[str, object]

    def event(self, scene: Scene, name: str, **more: object) -> Event:
        """The event ``com.twilio.voice.<name>``; ``more`` are parameters. An ``ErrorCode`` means no answer."""
        account, from_customer = scene.company.account_sid, name.startswith("api-request.")
        failed = "ErrorCode" in more
        when, event_sid = format_datetime(scene.time), scene.sid("VW")
        url = (
            f"{_API}/{account}/{self.kind}/{self.sid}.json"
            if from_customer
            else f"{_CUSTOMER}/{name.partition('.')[0]}"
        )
        data: dict[str, object] = {
            "sid": self.sid,
            "eventSid": event_sid,
            "requestDateCreated": when,
            "timestamp": scene.stamp,
            "request": {
                "method": "POST",
                "url": url,
                "parameters": {"AccountSid": account, **self.parameters, **more},
            },
            "response": {
                "responseCode": _HTTP_FAILURE if failed else _OK,
                "requestDuration": scene.rng.randrange(20, 300),
                "contentType": "application/json" if from_customer else "text/xml",
                "responseBody": "" if failed else _EMPTY,
                "dateCreated": when,
            },
        }
        source = f"/2010-04-01/Accounts/{account}/{self.kind}/{self.sid}.json"
        return scene.event(f"com.twilio.voice.{name}", source, data, key=self.sid, event_id=event_sid)
