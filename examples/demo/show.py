"""The live table, and the summary at the end."""

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from examples.demo.tally import Tally


def table(tally: Tally, *, doing: str) -> RenderableType:
    """Return the current figures as a table."""
    grid = Table(show_header=False, box=None, padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(justify="right")
    grid.add_column(style="dim")
    dead = tally.dead_by_reason
    rows = [
        ("accepted", f"{len(tally.accepted):,}", "by Kafka, on es.events"),
        ("routed", f"{tally.routed:,}", "copies on the subscription's topic"),
        ("delivered", f"{len(tally.delivered):,}", _duplicates(tally)),
        ("retried", f"{tally.retries:,}", "failed attempts that are to be retried"),
        ("dead-lettered", f"{len(tally.dead):,}", ", ".join(f"{each}: {count}" for each, count in dead.items())),
        ("waiting", f"{tally.waiting:,}", "in transit, or waiting for their next attempt"),
        ("p50", _ms(tally.latency_ms(0.5)), "from accepted to delivered"),
        ("p99", _ms(tally.latency_ms(0.99)), "including those that were retried"),
    ]
    for row in rows:
        grid.add_row(*row)
    return Group(Text(doing, style="cyan"), grid)


def summary(console: Console, tally: Tally) -> None:
    """Print whether the figures add up."""
    accepted, delivered, dead = len(tally.accepted), len(tally.delivered), len(tally.dead)
    console.print(f"{accepted:,} accepted = {delivered:,} delivered + {dead:,} dead-lettered", highlight=False)
    for problem in tally.problems():
        console.print(f"does not add up: {problem}", style="bold red", highlight=False)
    if not tally.problems():
        console.print("It adds up: nothing was lost, and every signature was right.", style="bold green")


def _duplicates(tally: Tally) -> str:
    return f"each once, {tally.duplicates} twice" if tally.duplicates else "each exactly once, signature checked"


def _ms(value: int | None) -> str:
    return "-" if value is None else f"{value:,} ms"
