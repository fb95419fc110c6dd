"""Assembles the API's web application."""

from collections.abc import Sequence

from aiohttp import web

from control_api.accounts.operator import START
from control_api.audit.reader import AUDIT, AuditReader
from control_api.catalogue import schema_documents
from control_api.console.pages import add_console
from control_api.delivery_log.service import LOG, DeliveryLogService
from control_api.guards import PREFIXES, Guards
from control_api.http.cors import add_cors, refuse_cross_site
from control_api.http.forms import MAX_BODY_BYTES
from control_api.http.hosts import check_host
from control_api.openapi.routes import DESCRIPTION, Description
from control_api.operations import ALL
from control_api.plane import PLANE, ControlPlane
from control_api.readiness import readiness_routes
from control_api.redrive.service import REDRIVES, RedriveService
from control_api.replicas.forwarded import accept_forwarded, prove
from control_api.replicas.replica import Replica
from control_api.sinks.backlog import BACKLOGS, Backlogs
from control_api.sinks.probes import PROBER, SinkProber
from control_api.sinks.tests import TESTER, SinkTester
from control_api.subscriptions import filters
from control_api.topics.reconciler import RECONCILER, Reconciler
from eventstreams.catalog.schema_documents import SchemaDocuments
from eventstreams.filters import FilterChecker
from eventstreams.http import answer_errors
from eventstreams.process import Health


def make_app(
    plane: ControlPlane,
    redrives: RedriveService,
    health: Health,
    replica: Replica,
    *,
    documents: SchemaDocuments,
    tester: SinkTester,
    prober: SinkProber,
    reconciler: Reconciler,
    guards: Guards,
    audit: AuditReader,
    log: DeliveryLogService | None = None,
    ready_urls: Sequence[str] = (),
    gateway_url: str | None = None,
) -> web.Application:
    """Build the application: ``/v1/…`` for accounts, ``/operator/…`` for the operator, ``/console/`` for people.

    /schemas, /livez and /readyz are for everybody. ``log`` is None if there is no delivery log.
    """
    middlewares = [
        add_cors,
        answer_errors,
        check_host(*PREFIXES, START),
        refuse_cross_site(START),
        accept_forwarded(plane.vault, plane.clock),
        *guards.middlewares(plane, replica.router.middleware()),
    ]
    app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY_BYTES)
    app[PLANE] = plane
    app[REDRIVES] = redrives
    app[AUDIT] = audit
    app[BACKLOGS] = Backlogs(plane, redrives)
    app[schema_documents.DOCUMENTS] = documents
    app[filters.CHECKER] = FilterChecker(plane.catalog)
    app[TESTER] = tester
    app[PROBER] = prober
    app[RECONCILER] = reconciler
    if log is not None:
        app[LOG] = log
    app[DESCRIPTION] = Description(ALL)
    app.add_routes([operation.route() for operation in ALL])
    app.add_routes([*readiness_routes(health, ready_urls), prove(plane.vault, replica.primacy.own.replica)])
    add_console(app, plane, gateway_url=gateway_url)
    return app
