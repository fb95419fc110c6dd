"""Events of the catalogue, for tests."""

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.events import Event
from eventstreams.headers import event_headers
from eventstreams.settings import Settings

SENT = "com.twilio.messaging.message.sent"
DELIVERED = "com.twilio.messaging.message.delivered"


def message_event(account_sid: str, number: int, *, type_: str = SENT) -> Event:
    """Return an event about message ``number``, with a unique id."""
    sid = f"SM{number:032x}"
    return Event(
        type=type_,
        source=f"/2010-04-01/Accounts/{account_sid}/Messages/{sid}.json",
        account_sid=account_sid,
        data={
            "messageSid": sid,
            "accountSid": account_sid,
            "eventName": type_,
            "timestamp": "2026-11-24T10:00:00.000Z",
            "messageStatus": "SENT",
            "apiVersion": "2010-04-01",
            "from": "+15005550006",
            "to": "+15005550010",
        },
    )


def encoded(event: Event) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Value and headers of ``event`` as its producer writes them."""
    catalog = Catalog.load()
    codec = Codec(catalog, schema_base_url=Settings.load().schema_base_url)
    schema = catalog.newest_schema(event.type)
    assert schema is not None
    return codec.encode(schema, event.data), event_headers(event, dataschema=codec.dataschema(schema))
