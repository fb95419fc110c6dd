"""The Faust app: takes runs from the events topic, has their copies made, then acknowledges them."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

import faust
from faust.types import TP, EventT
from typing_extensions import override

from eventstreams.control.feed import ControlFeed
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from eventstreams.topics import Topics
from router.lane import Lane, Run, Settled
from router.transport import RunConsumer, RunSchema, RunTransport
from router.unreadable import read_over

_WINDOW: Final = 16  # runs handed to the lane and not acknowledged; bounds memory and what a crash repeats
_MAX_RUN: Final = 4000  # records a fetch may bring of one partition
_BUFFERED_RUNS: Final = 8


class RouterApp(faust.App):
    """A Faust app that tells its process when it crashes, and writes nothing to disk."""

    on_router_crash: Callable[[BaseException], None]
    read_over: Callable[[Mapping[TP, int]], Awaitable[Mapping[TP, list[Any]]]]

    @override
    def _crash(self, reason: BaseException) -> None:
        super()._crash(reason)
        self.on_router_crash(reason)

    @override
    def _create_directories(self) -> None:
        """No tables, hence no folders: the file system may be read-only."""


def make_app(settings: Settings, admin: KafkaAdmin, *, on_crash: Callable[[BaseException], None]) -> RouterApp:
    """A Faust app for the group of routers, without agents yet."""
    group = Topics(settings).group("router")
    app = RouterApp(
        group,
        broker=[f"kafka://{server.strip()}" for server in settings.kafka.split(",")],
        store="memory://",
        datadir=Path(tempfile.gettempdir()) / "eventstreams-router",
        web_enabled=False,  # every role serves health and metrics the same way
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=f"{group}-{settings.instance}" if settings.instance else None,
        broker_commit_interval=0.25,
        broker_max_poll_records=_MAX_RUN,
        broker_session_timeout=8,  # a killed router is missed after so long: its share is to go on within ten seconds
        broker_heartbeat_interval=1,
        stream_buffer_maxsize=_BUFFERED_RUNS,
        stream_wait_empty=False,  # RunConsumer settles what is in flight
    )
    app.on_router_crash = on_crash
    app.read_over = partial(read_over, settings, admin, most=_MAX_RUN)
    app.transport = RunTransport(app.conf.broker_consumer, app)
    return app


def add_agent(app: RouterApp, topic: str, pump: "RunPump") -> None:
    """Let ``app`` route the events of ``topic`` through ``pump``."""

    @app.agent(app.topic(topic, schema=RunSchema()), name="route")
    async def route(stream: Any) -> None:
        async for event in stream.noack().events():
            await pump.put(event)


class RunPump:
    """Takes runs in read order, brings the routes up to date, has the copies made, acknowledges. ``async with``.

    Acks may come in any order; the consumer commits the finished prefix.
    """

    def __init__(
        self, *, lane: Lane, feed: ControlFeed, metrics: Metrics, on_crash: Callable[[BaseException], None]
    ) -> None:
        self._lane = lane
        self._feed = feed
        self._metrics = metrics
        self._on_crash = on_crash
        self._window = asyncio.Semaphore(_WINDOW)
        self._waiting: asyncio.Queue[EventT[Any]] = asyncio.Queue()  # bounded by the window
        self._tasks: set[asyncio.Task[None]] = set()
        self.settled = 0
        """Runs whose copies the brokers have."""

    async def __aenter__(self) -> Self:
        self._start(self._pump())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def put(self, event: EventT[Any]) -> None:
        """Take one run; waits while ``_WINDOW`` runs are under way."""
        await self._window.acquire()
        self._waiting.put_nowait(event)

    async def _pump(self) -> None:
        while True:
            events = [await self._waiting.get()]
            while not self._waiting.empty():
                events.append(self._waiting.get_nowait())
            # Whoever was told that a subscription exists gets every event accepted from then on: the routes must
            # be at least as new as the events. One question to the broker serves all runs that wait.
            await self._feed.catch_up()
            for event in events:
                self._start(self._finish(event, self._lane.deliver(cast(Run, event.value))))

    async def _finish(self, event: EventT[Any], answer: "asyncio.Future[Settled]") -> None:
        settled = await answer
        event.ack()  # only now may its offset be committed
        self.settled += 1
        self._window.release()
        self._metrics.routed.inc(settled.copies)
        self._metrics.matched.labels("matched").inc(settled.matched)
        self._metrics.matched.labels("unmatched").inc(settled.unmatched)
        self._metrics.matched.labels("dead").inc(settled.dead)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._on_crash(error)  # a restart reads the unfinished runs again


@asynccontextmanager
async def running(app: RouterApp) -> AsyncIterator[RunConsumer]:
    """Run ``app`` on this event loop meanwhile; at the end it finishes and commits what it has handed out."""
    await app.start()
    try:
        yield _consumer(app)
    finally:
        await _consumer(app).drain()
        await app.stop()


def _consumer(app: RouterApp) -> RunConsumer:
    consumer = app.consumer
    assert isinstance(consumer, RunConsumer)
    return consumer
