"""The Faust app: takes runs from the events topic, passes them to the lane, and acknowledges them afterwards."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import faust
from faust.types import TP
from typing_extensions import override

from eventstreams.kafka.committed import committed_offsets
from eventstreams.kafka.members import holder_of, name_in, name_taken
from eventstreams.kafka.refusals import Refusals
from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from eventstreams.topics import Topics
from router.copying.lane import Lane, Settled
from router.exactly_once.consumer import TransactionalTransport
from router.exactly_once.lane import TransactionalLane
from router.faust_app.control_end import Routes
from router.faust_app.credentials import credentials
from router.faust_app.membership import Name
from router.faust_app.transport import RunConsumer, RunSchema, RunTransport, Taken
from router.faust_app.window import Window

_MOST_BATCHES: Final = 4000  # of records in a fetch; of one partition it brings 1 MiB, Faust's own limit
_BUFFERED_RUNS: Final = 8
_GATHER_S: Final = 0.005  # runs of one fetch follow each other within a tenth of it
_SESSION: Final = timedelta(seconds=8)  # a killed router is noticed then: others take its share within ten seconds


class RouterApp(faust.App):
    """A Faust app that tells its process when it crashes, and writes nothing to disk."""

    on_router_crash: Callable[[BaseException], None]
    refusals: Refusals

    @override
    def _crash(self, reason: BaseException) -> None:
        super()._crash(reason)
        self.on_router_crash(reason)

    @override
    def _create_directories(self) -> None:
        """Create nothing: there are no tables, and the file system may be read-only."""


def make_app(
    settings: Settings, *, on_crash: Callable[[BaseException], None], routes: Routes, lane: Lane | None = None
) -> RouterApp:
    """Create a Faust app in the routers' consumer group, without agents yet.

    Args:
        settings: How to reach Kafka, topic names, the router's name.
        on_crash: Called when the app cannot go on.
        routes: Brought up to date once per fetch, before its runs are handed over.
        lane: If it is a ``TransactionalLane``, it commits the offsets, and the consumer does not.
    """
    topics = Topics(settings)
    group = topics.group("router")
    name = name_in(group, settings)
    app = RouterApp(
        group,
        broker=[f"kafka://{server.strip()}" for server in settings.kafka.split(",")],
        broker_credentials=credentials(settings),
        store="memory://",
        datadir=Path(tempfile.gettempdir()) / "eventstreams-router",
        web_enabled=False,  # every role serves health and metrics the same way
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=name,
        broker_commit_interval=0.25,
        broker_max_poll_records=_MOST_BATCHES,
        broker_session_timeout=(settings.session_timeout or _SESSION).total_seconds(),
        broker_heartbeat_interval=1,
        stream_buffer_maxsize=_BUFFERED_RUNS,
        stream_wait_empty=False,  # RunConsumer settles what is in flight
    )
    app.on_router_crash = on_crash
    app.transport = transport = RunTransport(app.conf.broker_consumer, app)
    if isinstance(lane, TransactionalLane):
        app.transport = transport = TransactionalTransport(app.conf.broker_consumer, app)
        transport.lane, transport.committed = lane, partial(committed_offsets, settings, group)
    transport.control, transport.routes = TP(topics.control, 0), routes
    app.refusals = transport.refusals = Refusals(settings)
    if name is not None:
        loop = asyncio.get_running_loop()
        transport.name = Name(
            holder=partial(holder_of, name, group, settings),
            taken=partial(loop.call_soon_threadsafe, on_crash, name_taken(group, settings)),
        )
    return app


def add_agent(app: RouterApp, topic: str, pump: "RunPump") -> None:
    """Make ``app`` route the events of ``topic`` through ``pump``."""

    @app.agent(app.topic(topic, schema=RunSchema()), name="route")
    async def route(stream: Any) -> None:
        async for event in stream.noack().events():
            for taken in cast(Sequence[Taken], event.value):
                await pump.put(taken)
            event.ack()  # only for Faust's own bookkeeping; what is committed depends on the runs' acks


class RunPump:
    """Passes runs to the lane in read order, those of one fetch together, and acknowledges each when it is settled.

    Acks may come in any order; the consumer commits the finished prefix.
    """

    def __init__(self, *, lane: Lane, metrics: Metrics, on_crash: Callable[[BaseException], None]) -> None:
        self._lane = lane
        self._metrics = metrics
        # Looked up once; also makes each counter start at 0.
        self._matched, self._unmatched, self._dead = map(metrics.matched.labels, ("matched", "unmatched", "dead"))
        self._on_crash = on_crash
        self._window = Window()
        self._room = asyncio.Event()
        self._gathered: list[Taken] = []  # bounded by the window
        self._gathering: asyncio.TimerHandle | None = None
        self.settled = 0
        """Number of runs whose copies the brokers have."""

    async def put(self, taken: Taken) -> None:
        """Accept one run; waits while the window is full."""
        while self._is_full():
            self._room.clear()
            await self._room.wait()
        self._window.take(len(taken.value))
        self._gathered.append(taken)
        if taken.value.is_last or self._is_full():
            self._hand_over()
        elif self._gathering is None:  # after a rebalance the last one may never come
            self._gathering = asyncio.get_running_loop().call_later(_GATHER_S, self._hand_over)

    def _is_full(self) -> bool:
        return self._window.is_full(topics=self._lane.topics, rate=self._lane.rate)

    def _hand_over(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        gathered, self._gathered = self._gathered, []
        answers = self._lane.deliver([taken.value for taken in gathered])
        for taken, answer in zip(gathered, answers, strict=True):
            answer.add_done_callback(partial(self._finish, taken))

    def _finish(self, taken: Taken, answer: "asyncio.Future[Settled]") -> None:
        if answer.cancelled():
            return
        try:
            settled = answer.result()
        except Exception as error:  # noqa: BLE001 - an error in a callback must not go unnoticed
            self._on_crash(error)  # a restart reads the unfinished runs again
            return
        taken.ack()  # only now may its offset be committed
        self.settled += 1
        self._window.give_back(len(taken.value))
        self._room.set()
        self._metrics.routed.inc(settled.copies)
        self._matched.inc(settled.matched)
        self._unmatched.inc(settled.unmatched)
        self._dead.inc(settled.dead)


@asynccontextmanager
async def running(app: RouterApp) -> AsyncIterator[RunConsumer]:
    """Run ``app`` on this event loop while the context is open; at the end finish and commit what was handed out."""
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
