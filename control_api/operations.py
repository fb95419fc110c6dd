"""The 22 operations of the reference: name, method, path, handler. ``docs/api.md`` describes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from control_api import event_types, schemas, sink_tests, sinks, subscribed_events, subscriptions

_SINK: Final = f"{sinks.PATH}/{{sid}}"
_SUBSCRIPTION: Final = f"{subscriptions.PATH}/{{sid}}"
_SUBSCRIBED_EVENT: Final = f"{subscribed_events.PATH}/{{type}}"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; ``name`` is the reference's ``operationId``."""

    name: str
    method: str
    path: str
    handler: Handler

    def route(self) -> web.RouteDef:
        make = {hdrs.METH_GET: web.get, hdrs.METH_POST: web.post, hdrs.METH_DELETE: web.delete}[self.method]
        return make(self.path, self.handler)


OPERATIONS: Final[Sequence[Operation]] = (
    Operation("ListEventType", "GET", event_types.PATH, event_types.list_all),
    Operation("FetchEventType", "GET", f"{event_types.PATH}/{{type}}", event_types.fetch),
    Operation("FetchSchema", "GET", schemas.PATH, schemas.fetch),
    Operation("ListSchemaVersion", "GET", schemas.VERSIONS_PATH, schemas.list_versions),
    Operation("FetchSchemaVersion", "GET", f"{schemas.VERSIONS_PATH}/{{version}}", schemas.fetch_version),
    Operation("CreateSink", "POST", sinks.PATH, sinks.create),
    Operation("ListSink", "GET", sinks.PATH, sinks.list_all),
    Operation("FetchSink", "GET", _SINK, sinks.fetch),
    Operation("UpdateSink", "POST", _SINK, sinks.update),
    Operation("DeleteSink", "DELETE", _SINK, sinks.delete),
    Operation("CreateSinkTest", "POST", sink_tests.TEST_PATH, sink_tests.test),
    Operation("CreateSinkValidate", "POST", sink_tests.VALIDATE_PATH, sink_tests.validate),
    Operation("CreateSubscription", "POST", subscriptions.PATH, subscriptions.create),
    Operation("ListSubscription", "GET", subscriptions.PATH, subscriptions.list_all),
    Operation("FetchSubscription", "GET", _SUBSCRIPTION, subscriptions.fetch),
    Operation("UpdateSubscription", "POST", _SUBSCRIPTION, subscriptions.update),
    Operation("DeleteSubscription", "DELETE", _SUBSCRIPTION, subscriptions.delete),
    Operation("ListSubscribedEvent", "GET", subscribed_events.PATH, subscribed_events.list_all),
    Operation("CreateSubscribedEvent", "POST", subscribed_events.PATH, subscribed_events.create),
    Operation("FetchSubscribedEvent", "GET", _SUBSCRIBED_EVENT, subscribed_events.fetch),
    Operation("UpdateSubscribedEvent", "POST", _SUBSCRIBED_EVENT, subscribed_events.update),
    Operation("DeleteSubscribedEvent", "DELETE", _SUBSCRIBED_EVENT, subscribed_events.delete),
)
