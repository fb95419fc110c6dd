"""Carries out the commands: passes lines or simulated events to the publisher, with a display."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Final

import orjson

from eventstreams.catalog import Catalog
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.times import rfc3339_ms
from eventstreams.topics import Topics
from producers.cloudevents import CloudEventParser, render
from producers.display import Display
from producers.lines import read_lines
from producers.outcomes import Accepted, BufferFull, Invalid, NotAcknowledged, PublishOutcome
from producers.publish_lines import LineOutcome, publish_lines
from producers.publisher import EventPublisher
from producers.simulator import Scenario, paced, simulate

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@asynccontextmanager
async def _publisher(settings: Settings, catalog: Catalog) -> AsyncIterator[EventPublisher]:
    """A publisher, after its topics have been created if needed."""
    admin = KafkaAdmin(settings)
    await admin.wait_for_broker()
    await admin.ensure(Topics(settings).base_specs())
    async with EventPublisher(settings, catalog) as publisher:
        yield publisher


async def publish_file(settings: Settings, descriptor: int, *, account_sid: str | None, as_json: bool) -> int:
    """Publish the lines of the file ``descriptor`` and return the exit code.

    Stops after a batch with an event that was not acknowledged in time, since later ones would wait in vain too. One
    that Kafka will never accept says nothing about the others.

    Raises:
        EventStreamsError: no broker answers, the catalogue is invalid, or the publisher can never send again.
    """
    catalog = Catalog.load(settings.catalog_dirs)
    parser = CloudEventParser(catalog)
    about = os.fstat(descriptor)
    total = about.st_size if stat.S_ISREG(about.st_mode) else None
    async with _publisher(settings, catalog) as publisher:
        published = publish_lines(read_lines(descriptor), publisher, parser, account_sid=account_sid)
        with Display(total=total) as display:
            async with aclosing(published):
                async for outcomes in published:
                    _show(display, outcomes, done=os.lseek(descriptor, 0, os.SEEK_CUR) if total else None)
                    if as_json:
                        _write([_as_json(each) for each in outcomes])
                    if any(_is_passing(each.outcome) for each in outcomes):
                        display.say(f"stopped after line {outcomes[-1].number}: Kafka does not acknowledge events")
                        break
    return display.exit_code


@dataclass(frozen=True, slots=True)
class Simulation:
    """A scenario and how it is published.

    Attributes:
        rate: Events per second; None: as many as possible.
        total: The most events; None: no limit.
        duration_s: The longest duration in seconds; None: no limit.
    """

    scenario: Scenario
    rate: float | None
    total: int | None
    duration_s: float | None = None


async def simulate_events(settings: Settings, simulation: Simulation, *, printing: bool, as_json: bool) -> int:
    """Publish, or print, the events of a simulation at its rate.

    Returns the exit code. SIGINT and SIGTERM end it cleanly: events that were handed to Kafka are awaited and counted.

    Raises:
        EventStreamsError: no broker answers, the catalogue is invalid, or the publisher can never send again.
    """
    scenario = simulation.scenario
    events = islice(simulate(scenario), simulation.total)
    batches = paced(events, rate=simulation.rate, stopping=_stopping_on_signals(), duration_s=simulation.duration_s)
    if printing:
        async for batch in batches:
            _write([render(event) for event in batch])
        return 0
    products = [product.name for product in scenario.products]
    async with _publisher(settings, Catalog.load(settings.catalog_dirs)) as publisher:
        with Display(total=simulation.total) as display:
            display.say(f"simulating {', '.join(products)} with seed {scenario.seed}")
            async for batch in batches:
                _show_batch(display, await publisher.publish_many(batch))
    if as_json:
        about = {"seed": scenario.seed, "start": rfc3339_ms(scenario.start), "products": products}
        _write([{**about, "accounts": list(scenario.accounts), **display.summary()}])
    return display.exit_code


def _stopping_on_signals() -> asyncio.Event:
    """An event that is set by the first SIGINT or SIGTERM; a second one ends the process as usual."""
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    return stopping


def _is_passing(outcome: PublishOutcome) -> bool:
    """Whether Kafka did not take the event now, but may later."""
    return isinstance(outcome, BufferFull) or (isinstance(outcome, NotAcknowledged) and outcome.retry_is_safe)


def _show(display: Display, outcomes: Sequence[LineOutcome], *, done: float | None) -> None:
    failed = [each for each in outcomes if not isinstance(each.outcome, Accepted)]
    for each in failed:
        display.say(f"line {each.number}: {each.outcome}")
    display.add(accepted=len(outcomes) - len(failed), failed=len(failed), done=done)


def _show_batch(display: Display, outcomes: Sequence[PublishOutcome]) -> None:
    failed = [each for each in outcomes if not isinstance(each, Accepted)]
    if failed:
        display.say(f"{len(failed)} of {len(outcomes)} events failed; the first error: {failed[0]}")
    done = display.accepted + display.failed + len(outcomes)
    display.add(accepted=len(outcomes) - len(failed), failed=len(failed), done=done)


def _as_json(line: LineOutcome) -> dict[str, object]:
    match line.outcome:
        case Accepted(event_id, partition, offset, accepted_at_ms):
            found = {"id": event_id, "partition": partition, "offset": offset, "accepted_at_ms": accepted_at_ms}
            return {"line": line.number, **found}
        case Invalid(path, reason):
            return {"line": line.number, "error": {"path": path, "reason": reason}}
        case BufferFull(event_id):
            return {"line": line.number, "id": event_id, "error": {"reason": "buffer is full", "retry_is_safe": True}}
        case NotAcknowledged(event_id, reason, retry_is_safe):
            return {"line": line.number, "id": event_id, "error": {"reason": reason, "retry_is_safe": retry_is_safe}}


def _write(objects: Sequence[dict[str, object]]) -> None:
    sys.stdout.buffer.write(b"".join(orjson.dumps(each) + b"\n" for each in objects))
    sys.stdout.buffer.flush()
