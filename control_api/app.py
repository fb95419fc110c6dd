"""The API's web application."""

from collections.abc import Sequence

from aiohttp import web

from control_api import (
    attempts,
    dead_letters,
    delivery,
    events,
    filter_previews,
    filters,
    retry_schedule,
    samples,
    schema_documents,
    signing,
    sink_configuration,
    sink_health,
)
from control_api.accounts import keys, operator, v2010
from control_api.audit import events as audit_events
from control_api.audit.desk import AUDIT, AuditDesk
from control_api.cors import add_cors
from control_api.delivery_log.desk import LOG, LogDesk
from control_api.forms import MAX_BODY_BYTES
from control_api.guards import Guards
from control_api.operations import OPERATIONS
from control_api.plane import PLANE, ControlPlane
from control_api.readiness import readiness_routes
from control_api.redrive.desk import DESK, Desk
from control_api.redrive.jobs import JobKind
from control_api.redrives import JobRoutes
from control_api.replicas.hop import accept_forwarded, prove
from control_api.replicas.replica import Replica
from control_api.sink_tests import TESTER, SinkTester
from eventstreams.filters import FilterChecker
from eventstreams.http import answer_errors
from eventstreams.process import Health
from eventstreams.schema_documents import SchemaDocuments


def make_app(
    plane: ControlPlane,
    desk: Desk,
    health: Health,
    replica: Replica,
    *,
    documents: SchemaDocuments,
    tester: SinkTester,
    guards: Guards,
    audit: AuditDesk,
    log: LogDesk | None = None,
    ready_urls: Sequence[str] = (),
) -> web.Application:
    """``/v1/…`` for accounts, ``/operator/…`` for whoever runs this; /schemas, /livez and /readyz for everybody.

    ``log`` None: there is no delivery log.
    """
    middlewares = [
        add_cors,
        answer_errors,
        accept_forwarded(plane.vault, plane.clock),
        *guards.middlewares(plane, replica.router.middleware()),
    ]
    app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY_BYTES)
    app[PLANE] = plane
    app[DESK] = desk
    app[AUDIT] = audit
    app[schema_documents.DOCUMENTS] = documents
    app[filters.CHECKER] = FilterChecker(plane.catalog)
    app[TESTER] = tester
    if log is not None:
        app[LOG] = log
    app.add_routes([operation.route() for operation in OPERATIONS])
    app.add_routes(
        [
            web.get(delivery.SINK_PATH, delivery.fetch_sink),
            web.post(delivery.SINK_PATH, delivery.update_sink),
            web.get(delivery.SUBSCRIPTION_PATH, delivery.fetch_subscription),
            web.post(delivery.SUBSCRIPTION_PATH, delivery.update_subscription),
        ]
    )
    app.add_routes([web.get(retry_schedule.PATH, retry_schedule.fetch), web.get(sink_health.PATH, sink_health.fetch)])
    app.add_routes(
        [
            web.post(samples.PATH, samples.create),
            web.get(sink_configuration.PATH, sink_configuration.fetch),
            web.post(sink_configuration.PATH, sink_configuration.update),
        ]
    )
    app.add_routes([web.post(filter_previews.PATH, filter_previews.create)])
    app.add_routes([web.get(signing.PATH, signing.fetch), web.post(signing.PATH, signing.rotate)])
    app.add_routes(
        [
            web.get(dead_letters.PATH, dead_letters.list_all),
            web.get(f"{dead_letters.PATH}/{{id}}", dead_letters.fetch),
            *(route for kind in JobKind for route in JobRoutes(kind).routes()),
        ]
    )
    app.add_routes([web.get(attempts.PATH, attempts.list_all), web.get(f"{events.PATH}/{{id}}", events.fetch)])
    app.add_routes([web.get(schema_documents.PATH, schema_documents.fetch)])
    app.add_routes([*v2010.routes(), *keys.routes(), *operator.routes(), *audit_events.routes()])
    app.add_routes([*readiness_routes(health, ready_urls), prove(plane.vault, replica.primacy.own.replica)])
    return app
