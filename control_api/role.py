"""The API as a process: what it is made of, in the order in which it starts and, backwards, stops."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Final

from control_api.accounts.closing import Closer
from control_api.app import make_app
from control_api.audit.desk import AuditDesk
from control_api.audit.trail import AuditTrail
from control_api.delivery_log.desk import LogDesk
from control_api.delivery_log.log import DeliveryLog
from control_api.delivery_log.stores import Stores, make_stores
from control_api.guards import Guards
from control_api.janitor import Janitor
from control_api.plane import ControlPlane
from control_api.redrive.opened import open_desk
from control_api.registrar import registering
from control_api.sink_tests import SinkTester
from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Account
from eventstreams.control.vault import Vault
from eventstreams.control.writer import ControlWriter
from eventstreams.errors import SettingsError
from eventstreams.http import ClientAddress
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.producer import AckedProducer
from eventstreams.process import Process
from eventstreams.process.health import serve_app
from eventstreams.process.listen import address_of, open_socket
from eventstreams.schema_documents import SchemaDocuments
from eventstreams.settings import PREFIX, Settings
from eventstreams.sinks.registry import load_plugins
from eventstreams.times import now_ms
from eventstreams.topics import Topics

_READY: Final = "the control topic"
_DRAIN_S: Final = 5.0
_ACK_S: Final = 10.0  # sooner than clients give up, so that they get an answer


async def serve(process: Process) -> None:
    """Answer until ``process.stopping``."""
    settings, topics = process.settings, Topics(process.settings)
    process.health.expect(_READY)
    catalog, vault, plugins = Catalog.load(settings.catalog_dirs), Vault(settings), load_plugins()
    stores = make_stores(settings, now_ms)
    admin = KafkaAdmin(settings, answer_s=_ACK_S)
    async with AsyncExitStack() as stack:
        # Opened first: a port that is taken is told at once.
        listening = stack.enter_context(open_socket(settings.api_listen, setting=f"{PREFIX}API_LISTEN"))
        await admin.wait_for_broker()
        await admin.ensure(topics.base_specs())
        feed = await stack.enter_async_context(ControlFeed(settings, on_crash=process.crash))
        producer = await stack.enter_async_context(AckedProducer(settings, linger_ms=0, timeout_s=_ACK_S))
        process.health.watch_work("writing", waiting=lambda: producer.waiting, done=lambda: producer.acked)
        plane = ControlPlane(
            feed=feed,
            writer=ControlWriter(producer, feed, topics),
            admin=admin,
            topics=topics,
            catalog=catalog,
            plugins=plugins,
            vault=vault,
            clock=now_ms,
            public_url=settings.public_url,
            ttl=settings.ttl,
            must_validate=settings.sink_validation == "strict",
            one_subscription_per_sink=settings.one_subscription_per_sink,
            account_of_settings=settings.account_sid,
        )
        await ensure_first_account(plane, settings)
        stack.callback(_watch(Janitor(plane), process).cancel)
        stack.callback(_watch(Closer(plane), process).cancel)
        desk = await open_desk(process, plane, producer, stack)
        log = await _log_desk(process, plane, stack, stores)
        documents = SchemaDocuments(catalog, schema_base_url=settings.schema_base_url)
        guards = Guards(
            operator_token=settings.operator_token,
            rate_limit=settings.api_rate_limit,
            clients=ClientAddress(settings.trusted_proxies),
            trail=AuditTrail(producer, topics),
        )
        app = make_app(
            plane,
            desk,
            process.health,
            documents=documents,
            tester=_tester(plane, producer, settings),
            guards=guards,
            audit=AuditDesk(settings=settings, topics=topics, admin=admin),
            log=log,
            ready_urls=settings.ready_urls,
        )
        await stack.enter_async_context(registering(settings, catalog))
        await stack.enter_async_context(serve_app(app, listening, drain_s=_DRAIN_S))
        process.health.met(_READY)
        process.log.info("api.listening", address=address_of(listening))
        await process.stopping.wait()


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


async def _log_desk(
    process: Process, plane: ControlPlane, stack: AsyncExitStack, stores: Stores | None
) -> LogDesk | None:
    if stores is None:
        return None
    log = DeliveryLog(process.settings, stores, metrics=process.metrics, clock=now_ms)
    return LogDesk(process.settings, plane, await stack.enter_async_context(log))


async def ensure_first_account(plane: ControlPlane, settings: Settings) -> None:
    """Make the account that the settings name, or give it the token that they name.

    Raises:
        SettingsError: only one of the two is set.
    """
    sid, token = settings.account_sid, settings.auth_token
    if (sid is None) != (token is None):
        raise SettingsError(f"{PREFIX}ACCOUNT_SID and {PREFIX}AUTH_TOKEN go together: set both, or none")
    if sid is None or token is None:
        return
    found = plane.feed.snapshot.accounts.get(sid)
    secret, now = token.get_secret_value(), plane.clock()
    if found is not None and [plane.vault.unlock(each) for each in found.tokens(now)] == [secret]:
        return
    locked = plane.vault.lock(secret)
    if found is None:
        account = Account(sid=sid, friendly_name="First account", auth_token=locked, created_ms=now, updated_ms=now)
    else:
        account = replace(found, auth_token=locked, secondary_token=None, promote_at_ms=None, updated_ms=now)
    await plane.writer.put(account)


def _watch(worker: Janitor | Closer, process: Process) -> "asyncio.Task[None]":
    def ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()):
            process.crash(error)

    task = asyncio.create_task(worker.run(), name=type(worker).__name__.lower())
    task.add_done_callback(ended)
    return task
