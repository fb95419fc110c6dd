"""The router as a process: its parts, in the order in which they start; they stop in reverse order."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Final

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.age import telling_age
from eventstreams.control.feed import ControlFeed
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.process import Process
from eventstreams.topics import Topics
from router.at_least_once.lane import AtLeastOnceLane
from router.copying.avoided_topics import AvoidedTopics
from router.copying.topic_restorer import TopicRestorer
from router.exactly_once.lane import TransactionalLane
from router.faust_app.app import RunPump, add_agent, make_app, running
from router.faust_app.backlog import Backlog
from router.memory import allocate_in_one_arena, collect_by_the_clock, collecting_nothing, take_turns
from router.planning.filtering import Filtering
from router.planning.matcher import Matcher
from router.planning.plan import Planner
from router.planning.traced_planner import TracedPlanner

_ASSIGNMENT: Final = "its share of the events topic"
_MILLISECOND: Final = timedelta(milliseconds=1)


async def route(process: Process) -> None:
    """Route until ``process.stopping``."""
    settings, topics = process.settings, Topics(process.settings)
    allocate_in_one_arena()
    take_turns()
    process.health.expect(_ASSIGNMENT)
    admin = KafkaAdmin(settings)
    await admin.wait_for_broker()
    await admin.ensure(topics.base_specs())
    catalog = Catalog.load(settings.catalog_dirs)
    async with AsyncExitStack() as stack:
        stack.enter_context(collecting_nothing())  # until ``collect_by_the_clock`` runs
        feed = await stack.enter_async_context(ControlFeed(settings, on_crash=process.crash))
        await stack.enter_async_context(telling_age(feed, process.metrics))
        matcher = Matcher(
            default_ttl_ms=settings.ttl // _MILLISECOND,
            topic_of=topics.subscription,
            discontinued=catalog.discontinued(),
        )
        matcher.load(feed.snapshot)
        feed.listen(matcher.apply)
        codec = Codec(catalog, schema_base_url=settings.schema_base_url)
        filtering = Filtering(
            codec,
            tell=lambda verdict: process.metrics.filtered.labels(verdict.value).inc(),
            most_partitions=settings.most_partitions,
        )
        planner_of = Planner if process.tracing is None else partial(TracedPlanner, tracing=process.tracing)
        planner = planner_of(matcher, filtering=filtering, event_types=catalog.types, dead_topic=topics.router_dead)
        avoided_topics = AvoidedTopics(
            settings,
            tell=process.metrics.avoided.set,
            wanted=matcher.topics,
        )
        restore = TopicRestorer(settings, admin, matcher, catch_up=feed.catch_up)
        lane_of = TransactionalLane if settings.exactly_once else AtLeastOnceLane
        lane = lane_of(settings, planner, dead_topic=topics.router_dead, restore=restore, avoided_topics=avoided_topics)
        await stack.enter_async_context(lane)
        pump = RunPump(lane=lane, metrics=process.metrics, on_crash=process.crash)
        app = make_app(settings, on_crash=process.crash, routes=feed, lane=lane)
        add_agent(app, topics.events, pump)
        process.health.watch_problem(lambda: app.refusals.problem)

        async def assigned(*_: object, **__: object) -> None:
            process.metrics.rebalances.labels("events").inc()
            process.health.met(_ASSIGNMENT)

        # Faust keeps whoever it tells, and all that they know, for ever, if they do not say that they have ended.
        stack.callback(app.on_partitions_assigned.disconnect, app.on_partitions_assigned.connect(assigned))
        consumer = await stack.enter_async_context(running(app))
        backlog = Backlog(admin, topic=topics.events, positions=partial(consumer.positions, topics.events))
        stack.callback(_run_beside(backlog.keep_looking(), process).cancel)
        stack.callback(_run_beside(collect_by_the_clock(), process).cancel)
        process.health.watch_turns("the thread that makes copies", lambda: lane.last_turn)
        process.health.watch_work(
            "routing",
            waiting=lambda: consumer.in_flight() + backlog.waiting,
            done=lambda: pump.settled + lane.turns,  # a flush for thousands of topics can take half a minute
        )
        await process.stopping.wait()


def _run_beside(work: Coroutine[None, None, None], process: Process) -> "asyncio.Task[None]":
    def ended(task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()):
            process.crash(error)

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    return task
