"""The API as a process: its parts, in the order in which they start and, reversed, stop."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Final

from control_api.accounts.closing import Closer
from control_api.app import make_app
from control_api.audit.reader import AuditReader
from control_api.audit.trail import AuditTrail
from control_api.backlog import surveying
from control_api.catalogue.registrar import registering
from control_api.delivery_log.log import DeliveryLog
from control_api.delivery_log.service import DeliveryLogService
from control_api.delivery_log.stores import Stores, make_stores
from control_api.guards import Guards
from control_api.plane import ControlPlane
from control_api.redrive.assembly import open_redrive_service
from control_api.redrive.feed import JobFeed
from control_api.replicas.replica import open_replica
from control_api.replicas.writing import ResourceWriter, put_record
from control_api.sinks.probes import SinkProber
from control_api.sinks.tests import SinkTester
from control_api.subscriptions.janitor import Janitor
from control_api.subscriptions.topics import TopicMaker
from control_api.topics.reconciler import Reconciler
from eventstreams.catalog import Catalog
from eventstreams.catalog.schema_documents import SchemaDocuments
from eventstreams.codec import Codec
from eventstreams.control.age import telling_age
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Account
from eventstreams.control.vault import Purpose, Vault
from eventstreams.errors import SettingsError
from eventstreams.http import ClientAddress, metered
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.producer import AckedProducer
from eventstreams.kafka.transaction import Outgoing
from eventstreams.process import Process
from eventstreams.process.health import serve_app
from eventstreams.process.listen import address_of, open_socket
from eventstreams.settings import PREFIX, Settings
from eventstreams.sinks import DestinationGuard
from eventstreams.sinks.registry import load_plugins
from eventstreams.telemetry.logging import get_logger
from eventstreams.times import now_ms
from eventstreams.topics import Topics

_log: Final = get_logger(__name__)
_READY: Final = "the control topic"
_DRAIN_S: Final = 5.0
_ACK_S: Final = 10.0  # shorter than clients wait, so that they get an answer


async def serve(process: Process) -> None:
    """Serve requests until ``process.stopping`` is set."""
    settings, topics = process.settings, Topics(process.settings)
    process.health.expect(_READY)
    catalog, vault, plugins = Catalog.load(settings.catalog_dirs), Vault(settings), load_plugins()
    stores = make_stores(settings, now_ms)
    admin = KafkaAdmin(settings, answer_s=_ACK_S)
    async with AsyncExitStack() as stack:
        # Opened first, so that a port in use is reported at once.
        listening = stack.enter_context(open_socket(settings.api_listen, setting=f"{PREFIX}API_LISTEN"))
        await admin.wait_for_broker()
        await admin.ensure(topics.base_specs())
        feed, jobs = ControlFeed(settings, on_crash=process.crash), JobFeed(settings, on_crash=process.crash)
        replica = await open_replica(process, vault, listening, stack, feed=feed, jobs=jobs)
        await stack.enter_async_context(telling_age(feed, process.metrics))
        producer = replica.plain
        process.health.watch_work("writing", waiting=lambda: producer.waiting, done=lambda: producer.acked)
        plane = ControlPlane(
            feed=feed,
            writer=ResourceWriter(replica.writing, topics),
            writing=replica.writing,
            admin=admin,
            maker=TopicMaker(admin),
            topics=topics,
            catalog=catalog,
            plugins=plugins,
            vault=vault,
            clock=now_ms,
            public_url=settings.public_url,
            ttl=settings.ttl,
            must_validate=settings.sink_validation == "strict",
            one_subscription_per_sink=settings.one_subscription_per_sink,
            most_partitions=settings.most_partitions,
            sink_types=settings.sink_types,
            mail=settings.mail_server,
            account_of_settings=settings.account_sid,
        )
        check_first_account(settings)
        tell_what_lacks(settings.sink_types or (), plugins)
        janitor, redrives = Janitor(plane), open_redrive_service(process, plane, jobs, stack)
        closer = Closer(plane, jobs, redrives.writer)
        reconciler = Reconciler(plane, settings, process.metrics)
        part = replica.taking_part(
            duties=[
                lambda: _running(janitor, process),
                lambda: _running(closer, process),
                lambda: _running(reconciler, process),
                lambda: redrives.runner,
                lambda: surveying(process, plane),
            ],
            prepare=lambda: first_account(plane, settings),
        )
        await stack.enter_async_context(part)
        log = await _log_service(process, plane, stack, stores)
        documents = SchemaDocuments(catalog, schema_base_url=settings.schema_base_url)
        guards = Guards(
            operator_token=settings.operator_token,
            rate_limit=settings.api_rate_limit,
            clients=ClientAddress(settings.trusted_proxies),
            trail=AuditTrail(producer, topics),
        )
        app = make_app(
            plane,
            redrives,
            process.health,
            replica,
            documents=documents,
            tester=_tester(plane, producer, settings),
            prober=SinkProber(DestinationGuard(settings.allowed_destinations)),
            reconciler=reconciler,
            guards=guards,
            audit=AuditReader(
                settings=settings, topics=topics, admin=admin, reading=AuditReader.semaphore(feed.snapshot.customer_of)
            ),
            log=log,
            ready_urls=settings.ready_urls,
            gateway_url=settings.gateway_url,
        )
        app.middlewares.insert(0, metered("api", process.metrics))
        await stack.enter_async_context(registering(settings, catalog))
        await stack.enter_async_context(serve_app(app, listening, drain_s=_DRAIN_S))
        process.health.met(_READY)
        process.log.info("api.listening", address=address_of(listening))
        await process.stopping.wait()
        await replica.resign()


def _tester(plane: ControlPlane, producer: AckedProducer, settings: Settings) -> SinkTester:
    return SinkTester(
        producer,
        admin=plane.admin,
        topics=plane.topics,
        catalog=plane.catalog,
        codec=Codec(plane.catalog, schema_base_url=settings.schema_base_url),
        ttl=plane.ttl,
        clock=plane.clock,
    )


async def _log_service(
    process: Process, plane: ControlPlane, stack: AsyncExitStack, stores: Stores | None
) -> DeliveryLogService | None:
    if stores is None:
        return None
    log = DeliveryLog(
        process.settings, stores, metrics=process.metrics, clock=now_ms, customer_of=plane.feed.snapshot.customer_of
    )
    return DeliveryLogService(process.settings, plane, await stack.enter_async_context(log))


def check_first_account(settings: Settings) -> None:
    """Raises ``SettingsError`` if the settings have only an account's SID or only its token."""
    if (settings.account_sid is None) != (settings.auth_token is None):
        raise SettingsError(f"{PREFIX}ACCOUNT_SID and {PREFIX}AUTH_TOKEN go together: set both, or none")


def tell_what_lacks(sink_types: Sequence[str], plugins: Iterable[str]) -> None:
    """Log which of ``sink_types``, which have workers, have no plugin installed here.

    That is no reason not to start: a worker's image may have a plugin that ours does not, and sinks of other types can
    be used meanwhile.
    """
    installed = sorted(plugins)
    for sink_type in sink_types:
        if sink_type not in installed:
            _log.warning(
                "plugin.not_installed",
                sink_type=sink_type,
                named_by=f"{PREFIX}SINK_TYPES",
                installed=installed,
                follows="such sinks cannot be created or changed; existing ones still get their events",
            )


def first_account(plane: ControlPlane, settings: Settings) -> Sequence[Outgoing]:
    """The record that creates the account in the settings, or updates its token; empty if it is up to date."""
    sid, token = settings.account_sid, settings.auth_token
    if sid is None or token is None:
        return []
    found = plane.feed.snapshot.accounts.get(sid)
    secret, now = token.get_secret_value(), plane.clock()
    if found is not None and [plane.vault.unlock(each, Purpose.AUTH_TOKEN, sid) for each in found.tokens(now)] == [
        secret
    ]:
        return []
    locked = plane.vault.lock(secret, Purpose.AUTH_TOKEN, sid)
    if found is None:
        account = Account(sid=sid, friendly_name="First account", auth_token=locked, created_ms=now, updated_ms=now)
    else:
        account = replace(found, auth_token=locked, secondary_token=None, promote_at_ms=None, updated_ms=now)
    return [put_record(plane.topics.control, account)]


@asynccontextmanager
async def _running(worker: Janitor | Closer | Reconciler, process: Process) -> AsyncIterator[None]:
    def ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()):
            process.crash(error)

    task = asyncio.create_task(worker.run(), name=type(worker).__name__.lower())
    task.add_done_callback(ended)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
