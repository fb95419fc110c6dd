"""The router as a process: what it is made of, in the order in which it starts and, backwards, stops."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Final

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.feed import ControlFeed
from eventstreams.errors import BrokerUnreachableError, TopicError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.process import Process
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from eventstreams.topics import Topics
from router.app import RunPump, add_agent, make_app, running
from router.backlog import Backlog
from router.filtering import Filtering
from router.lane import Lane
from router.matcher import Matcher
from router.memory import allocate_in_one_arena, collect_by_the_clock
from router.plan import Planner

_ASSIGNMENT: Final = "its share of the events topic"
_log = get_logger(__name__)
_MILLISECOND: Final = timedelta(milliseconds=1)


async def route(process: Process) -> None:
    """Route until ``process.stopping``."""
    settings, topics = process.settings, Topics(process.settings)
    allocate_in_one_arena()
    process.health.expect(_ASSIGNMENT)
    admin = KafkaAdmin(settings)
    await admin.wait_for_broker()
    await admin.ensure(topics.base_specs())
    catalog = Catalog.load(settings.catalog_dirs)
    async with AsyncExitStack() as stack:
        feed = await stack.enter_async_context(ControlFeed(settings, on_crash=process.crash))
        matcher = Matcher(
            default_ttl_ms=settings.ttl // _MILLISECOND,
            topic_of=topics.subscription,
            discontinued=catalog.discontinued(),
        )
        matcher.load(feed.snapshot)
        feed.listen(matcher.apply)
        codec = Codec(catalog, schema_base_url=settings.schema_base_url)
        filtering = Filtering(codec, tell=lambda verdict: process.metrics.filtered.labels(verdict.value).inc())
        planner = Planner(matcher, filtering=filtering, event_types=catalog.types, dead_topic=topics.router_dead)
        lane = Lane(settings, planner, dead_topic=topics.router_dead, restore=_Restore(settings, admin, matcher))
        await stack.enter_async_context(lane)
        pump = RunPump(lane=lane, feed=feed, metrics=process.metrics, on_crash=process.crash)
        await stack.enter_async_context(pump)
        app = make_app(settings, admin, on_crash=process.crash)
        add_agent(app, topics.events, pump)

        async def assigned(*_: object, **__: object) -> None:
            process.health.met(_ASSIGNMENT)

        app.on_partitions_assigned.connect(assigned)
        consumer = await stack.enter_async_context(running(app))
        backlog = Backlog(admin, topic=topics.events, positions=partial(consumer.positions, topics.events))
        stack.callback(_run_beside(backlog.keep_looking(), process).cancel)
        stack.callback(_run_beside(collect_by_the_clock(), process).cancel)
        process.health.watch_turns("the thread that makes copies", lambda: lane.last_turn)
        process.health.watch_work(
            "routing", waiting=lambda: consumer.in_flight() + backlog.waiting, done=lambda: pump.settled
        )
        await process.stopping.wait()


def _run_beside(work: Coroutine[None, None, None], process: Process) -> "asyncio.Task[None]":
    def ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()):
            process.crash(error)

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    return task


class _Restore:
    """Makes the topics of live subscriptions again if somebody removed them by hand. Called on the lane's thread."""

    def __init__(self, settings: Settings, admin: KafkaAdmin, matcher: Matcher) -> None:
        self._topics = Topics(settings)
        self._admin = admin
        self._matcher = matcher
        self._loop = asyncio.get_running_loop()

    def __call__(self, topics: set[str]) -> set[str]:
        return asyncio.run_coroutine_threadsafe(self._restore(topics), self._loop).result()

    async def _restore(self, topics: set[str]) -> set[str]:
        try:
            missing = topics - (await self._admin.topics()).keys()
            routes = [route for topic in missing if (route := self._matcher.route_to(topic))]
            specs = [
                self._topics.subscription_spec(route.sink_type, route.subscription_sid, partitions=route.partitions)
                for route in routes
            ]
            if self._topics.router_dead in missing:
                specs += self._topics.base_specs()
            await self._admin.ensure(specs)
        except (TopicError, BrokerUnreachableError) as error:
            _log.error("topics.not_restored", error=str(error), follows="routing waits and tries again")
            return set()
        if missing:
            _log.warning("topics.restored", count=len(specs), gone=len(missing) - len(specs))
        return missing - {spec.name for spec in specs}
