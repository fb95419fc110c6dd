"""The application's own routes, without a broker."""

from types import SimpleNamespace
from typing import Any, cast

from control_api.app import make_app
from control_api.audit.reader import AuditReader
from control_api.audit.trail import AuditTrail
from control_api.console.page_request import PREFIX
from control_api.guards import Guards
from control_api.plane import ControlPlane
from control_api.redrive.service import RedriveService
from control_api.replicas.replica import Replica
from control_api.sinks.probes import SinkProber
from control_api.sinks.tests import SinkTester
from control_api.topics.reconciler import Reconciler
from eventstreams.catalog import Catalog
from eventstreams.catalog.schema_documents import SchemaDocuments
from eventstreams.control.snapshot import Snapshot
from eventstreams.http import ClientAddress
from eventstreams.process import Health


def routes() -> set[tuple[str, str]]:
    """Every operation that the application has; aiohttp's HEAD for each GET is the same one.

    The console's pages are no operations.
    """
    plane = SimpleNamespace(
        feed=SimpleNamespace(snapshot=Snapshot()), vault=None, catalog=Catalog.load(), clock=lambda: 0, public_url=None
    )
    trail = AuditTrail(cast(Any, None), cast(Any, None))
    guards = Guards(operator_token=None, rate_limit=1, clients=ClientAddress(), trail=trail)
    own = SimpleNamespace(own=SimpleNamespace(replica=""))
    replica = SimpleNamespace(router=SimpleNamespace(middleware=lambda: None), primacy=own)
    app = make_app(
        cast(ControlPlane, plane),
        cast(RedriveService, None),
        Health(),
        cast(Replica, replica),
        documents=cast(SchemaDocuments, None),
        guards=guards,
        audit=cast(AuditReader, None),
        tester=cast(SinkTester, None),
        prober=cast(SinkProber, None),
        reconciler=cast(Reconciler, None),
    )
    return {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD" and not route.resource.canonical.startswith(PREFIX)
    }
