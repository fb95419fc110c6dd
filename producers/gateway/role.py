"""The gateway as a process: its parts, in the order in which they start and, in reverse, stop."""

from contextlib import AsyncExitStack
from typing import Final

from eventstreams.catalog import Catalog
from eventstreams.control.age import telling_age
from eventstreams.control.feed import ControlFeed
from eventstreams.control.vault import Vault
from eventstreams.http import Authenticator, ClientAddress, FailedAttempts, metered
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.process import Process
from eventstreams.process.health import serve_app
from eventstreams.process.listen import address_of, open_socket
from eventstreams.settings import PREFIX
from eventstreams.topics import Topics
from producers.cloudevents import CloudEventParser
from producers.gateway.admission import Admission
from producers.gateway.app import make_app
from producers.gateway.intake import Intake
from producers.gateway.listing import Listing
from producers.publisher import EventPublisher

_READY: Final = "the control topic"
_MAX_REQUESTS: Final = 1000  # in progress, on a connection each; most of them wait for Kafka
_MAX_BYTES: Final = 64 << 20  # of their bodies
_ACK_S: Final = 10.0  # sooner than clients and load balancers give up (30 s and more), so that they get an answer
_DRAIN_SHARE: Final = 0.5  # of the process's drain time, for requests in progress; the rest is the producer's


async def serve(process: Process) -> None:
    """Accept events until ``process.stopping``; requests in progress are answered before the end."""
    settings, topics = process.settings, Topics(process.settings)
    process.health.expect(_READY)
    catalog, vault = Catalog.load(settings.catalog_dirs), Vault(settings)
    admin = KafkaAdmin(settings)
    async with AsyncExitStack() as stack:
        # Opened first, so that a taken port is reported at once.
        listening = stack.enter_context(open_socket(settings.gateway_listen, setting=f"{PREFIX}GATEWAY_LISTEN"))
        await admin.wait_for_broker()
        await admin.ensure(topics.base_specs())
        feed = await stack.enter_async_context(ControlFeed(settings, on_crash=process.crash))
        await stack.enter_async_context(telling_age(feed, process.metrics))
        publisher = await stack.enter_async_context(
            EventPublisher(settings, catalog, metrics=process.metrics, ack_timeout_s=_ACK_S)
        )
        process.health.watch_work("publishing", waiting=lambda: publisher.waiting, done=lambda: publisher.acknowledged)
        intake = Intake(
            publisher,
            CloudEventParser(catalog),
            Admission(max_requests=_MAX_REQUESTS, max_bytes=_MAX_BYTES, is_alone=lambda: feed.snapshot.customers == 1),
            metrics=process.metrics,
            customer_of=feed.snapshot.customer_of,
            on_crash=process.crash,
            tracing=process.tracing,
        )
        failures = FailedAttempts(ClientAddress(settings.trusted_proxies))
        listing = None
        if settings.api_url is not None:
            listing = Listing(settings.api_url, customer_of=feed.snapshot.customer_of)
            await stack.enter_async_context(listing)
        app = make_app(intake, Authenticator(feed.snapshot, vault), process.health, failures=failures, listing=listing)
        app.middlewares.insert(0, metered("gateway", process.metrics))
        drain_s = settings.drain_timeout.total_seconds() * _DRAIN_SHARE
        await stack.enter_async_context(serve_app(app, listening, drain_s=drain_s))
        process.health.met(_READY)
        process.log.info("gateway.listening", address=address_of(listening))
        await process.stopping.wait()
