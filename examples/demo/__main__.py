"""``python -m examples.demo``: shows events accepted, routed, delivered, retried, dead-lettered, and checks the sum."""

import asyncio
import secrets
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

import click
from rich.console import Console
from rich.live import Live
from twilio.rest import Client

from eventstreams.catalog import Catalog, EventTypeStatus
from eventstreams.settings import Settings
from eventstreams.testing.receiver import Receiver
from examples.demo.show import summary, table
from examples.demo.system import DemoError, System, forget_settings, running_system
from examples.demo.tally import Tally
from examples.demo.watch import watching
from examples.demo.webhook import Webhook
from producers.outcomes import Accepted
from producers.publisher import EventPublisher
from producers.simulator import Scenario, SimulatedProduct, default_products, paced, simulate

_SETTLE_S: Final = 60.0
_REDRAW_S: Final = 0.2
_BACK: Final = timedelta(hours=6)  # simulated time runs faster than real time: it starts earlier to stay in the past


@click.command()
@click.option("--seconds", default=8.0, show_default=True, help="How long to generate events.")
@click.option("--rate", default=150.0, show_default=True, help="Events per second.")
def main(seconds: float, rate: float) -> None:
    """Show the whole of Event Streams at work on this machine."""
    forget_settings()
    console = Console()
    began = time.monotonic()
    console.print("[bold]Event Streams[/]: starting Kafka, API, router, webhook worker and gateway")
    try:
        with running_system() as system:
            console.print(f"  ready after {time.monotonic() - began:.1f} s")
            tally = asyncio.run(_play(system, console, seconds=seconds, rate=rate))
    except DemoError as error:
        console.print(f"demo: {error}", style="bold red")
        sys.exit(1)
    console.print("" if console.is_terminal else "\n")
    summary(console, tally)
    console.print(f"  {time.monotonic() - began:.1f} s in all")
    sys.exit(1 if tally.problems() else 0)


def _products() -> Sequence[SimulatedProduct]:
    """Return all products but the error logs: the demo's own dead letters would add events that it did not publish."""
    return [product for product in default_products() if product.name != "errorlogs"]


async def _play(system: System, console: Console, *, seconds: float, rate: float) -> Tally:
    tally = Tally()
    settings = Settings.load(kafka=system.kafka, replication_factor=1)
    async with Receiver(Webhook(system.auth_token, tally)) as receiver:
        await asyncio.to_thread(_subscribe, system, receiver.url, console)
        async with watching(settings, system, tally):
            with Live(console=console, auto_refresh=False) as live:

                def draw(doing: str) -> None:
                    live.update(table(tally, doing=doing), refresh=True)

                await _drawing(
                    draw, "events are generated and delivered", _publish(system, settings, tally, seconds, rate)
                )
                await _drawing(draw, "waiting for the last retries", _settled(tally))
                draw("done")
    return tally


def _subscribe(system: System, url: str, console: Console) -> None:
    """Create a sink and a subscription like a customer, with Twilio's own client."""
    client = Client(system.account_sid, system.auth_token)
    client.events.base_url = system.api
    sink = client.events.v1.sinks.create(
        description="the demo's receiver", sink_type="webhook", sink_configuration={"destination": url}
    )
    products = {product.name for product in _products()}
    types = [
        {"type": name}
        for name, event_type in Catalog.load().types.items()
        if event_type.product in products and event_type.status is EventTypeStatus.AVAILABLE and not event_type.internal
    ]
    subscription = client.events.v1.subscriptions.create(description="everything", sink_sid=sink.sid, types=types)
    console.print(f"  sink          {sink.sid} to {url}", highlight=False, soft_wrap=True)
    console.print(f"  subscription  {subscription.sid} to {len(types)} event types\n", highlight=False)


async def _publish(system: System, settings: Settings, tally: Tally, seconds: float, rate: float) -> None:
    start = datetime.now(UTC) - _BACK
    scenario = Scenario(
        seed=secrets.randbits(32),
        accounts=[system.account_sid],
        start=start,
        products=_products(),
        concurrency=50,
    )
    events = islice(simulate(scenario), round(seconds * rate))
    async with EventPublisher(settings, Catalog.load()) as publisher:
        async for batch in paced(events, rate=rate, stopping=asyncio.Event()):
            for outcome in await publisher.publish_many(batch):
                if not isinstance(outcome, Accepted):
                    raise DemoError(f"an event was not accepted: {outcome}")
                tally.accepted[outcome.id] = outcome.accepted_at_ms


async def _settled(tally: Tally) -> None:
    """Wait until no event is waiting any more, at most a minute."""
    deadline = time.monotonic() + _SETTLE_S
    while tally.waiting and time.monotonic() < deadline:  # noqa: ASYNC110 - other tasks change it
        await asyncio.sleep(_REDRAW_S)


async def _drawing(draw: Callable[[str], None], doing: str, work: Coroutine[None, None, None]) -> None:
    """Redraw the table while ``work`` runs."""
    task = asyncio.create_task(work)
    while not task.done():
        draw(doing)
        await asyncio.wait({task}, timeout=_REDRAW_S)
    task.result()


if __name__ == "__main__":
    main()
