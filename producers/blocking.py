"""The publisher for code without asyncio: wraps ``EventPublisher`` on an event loop in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeVar

from eventstreams.catalog import Catalog
from eventstreams.kafka.producer import BUFFER_BYTES
from eventstreams.settings import Settings
from eventstreams.telemetry.metrics import Metrics
from producers.outcomes import Accepted, PublishOutcome
from producers.product_event import Publishable
from producers.publisher import ACK_S, EventPublisher

_Result = TypeVar("_Result")
_CLOSED: Final = "the publisher is closed: publish inside its `with` block"


@dataclass(frozen=True, slots=True)
class _Running:
    loop: asyncio.AbstractEventLoop
    publisher: EventPublisher
    stopping: asyncio.Event


class BlockingEventPublisher:
    """``EventPublisher`` for threads: each call returns once the broker has answered. Use as ``with``.

    One is enough for a process, and any number of threads may share it; several threads send faster than one, since
    each call waits for its acknowledgement. After a fork, the child process needs one of its own.

        with BlockingEventPublisher(settings, Catalog.load(settings.catalog_dirs)) as publisher:
            accepted = publisher.publish(messaging.MessageSent(account_sid=…, message_sid=…, …))
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        *,
        metrics: Metrics | None = None,
        ack_timeout_s: float = ACK_S,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        """Take the same arguments as ``EventPublisher``."""
        self._make = lambda: EventPublisher(
            settings, catalog, metrics=metrics, ack_timeout_s=ack_timeout_s, buffer_bytes=buffer_bytes
        )
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        started: Future[_Running] = Future()
        self._thread = threading.Thread(target=_serve, args=(self._make, started), name="event-publisher", daemon=True)
        self._thread.start()
        self._running = started.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def publish(self, event: Publishable) -> Accepted:
        """See ``EventPublisher.publish``."""
        return self._call(lambda publisher: publisher.publish(event))

    def publish_many(self, events: Iterable[Publishable]) -> list[PublishOutcome]:
        """See ``EventPublisher.publish_many``; ``events`` is iterated in the publisher's thread."""
        return self._call(lambda publisher: publisher.publish_many(events))

    def close(self) -> None:
        """Return once calls of other threads are answered and nothing waits to be sent. May be called repeatedly."""
        with self._lock:
            running, self._running = self._running, None
        if running is not None:
            running.loop.call_soon_threadsafe(running.stopping.set)
        if self._thread is not None:
            self._thread.join()

    def _call(self, ask: Callable[[EventPublisher], Coroutine[None, None, _Result]]) -> _Result:
        with self._lock:  # no call may begin after `close`
            if self._running is None:
                raise RuntimeError(_CLOSED)
            answer = asyncio.run_coroutine_threadsafe(ask(self._running.publisher), self._running.loop)
        return answer.result()


def _serve(make: Callable[[], EventPublisher], started: "Future[_Running]") -> None:
    async def serve() -> None:
        async with make() as publisher:
            running = _Running(asyncio.get_running_loop(), publisher, asyncio.Event())
            started.set_result(running)
            await running.stopping.wait()
            if calls := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(calls)

    try:
        asyncio.run(serve())
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)
