"""Previews a redrive or replay, asks, starts it and follows it, on the command line."""

import asyncio
from dataclasses import dataclass
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from control_api.commands.remote import Answer, Fields, Remote
from control_api.commands.run import show_json
from control_api.redrive.pace import DEFAULT_RATE, MAX_RATE, MIN_RATE
from eventstreams.cli.terminal import harmless
from eventstreams.client import ApiError
from eventstreams.client.values import FINISHED, JobStatus
from eventstreams.settings import Settings

_LOOK_S: Final = 0.5

rate_option = click.option(
    "--rate",
    type=click.IntRange(MIN_RATE, MAX_RATE),
    default=DEFAULT_RATE,
    show_default=True,
    help="Rate, in events per second.",
)


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of job of the API.

    Attributes:
        path: Where it is created; ``/Preview`` behind it previews it.
        copied: The name of the number of events that were copied, which is also what it did to them.
        question: What is asked before it starts.
        nothing: What is said if nothing is selected.
    """

    path: str
    copied: str
    question: str
    nothing: str


REDRIVE: Final = JobKind("/v1/Redrives", "redriven", "Redrive them?", "no dead letters are selected")
REPLAY: Final = JobKind("/v1/Replays", "replayed", "Replay them?", "no events are selected")


async def run_job(
    settings: Settings, kind: JobKind, url: str | None, fields: Fields, *, yes: bool, as_json: bool
) -> None:
    """Preview the job that ``fields`` describe, ask unless ``yes``, start it, and follow it to its end.

    Raises:
        ApiError: the API refuses it, or the job has failed.
    """
    async with Remote(settings, url) as api:
        preview = await api.preview(f"{kind.path}/Preview", fields)
        click.echo(harmless(_told(preview, kind)), err=as_json)
        if not preview["selected"]:
            if as_json:
                show_json(preview)
            return
        if not yes:
            click.confirm(kind.question, abort=True, err=as_json)
        job = await api.post(kind.path, fields)
        click.echo(harmless(str(job["sid"])), err=as_json)
        job = await _followed(api, job, kind, expected=preview[kind.copied])
        if as_json:
            show_json(job)
        else:
            click.echo(harmless(f"{job['status']}: {job[kind.copied]} {kind.copied}{_skipped(job)}"))
        if job["status"] == JobStatus.FAILED:
            raise ApiError(str(job["error_message"]))


async def _followed(api: Remote, job: Answer, kind: JobKind, *, expected: object) -> Answer:
    """Wait until ``job`` has ended, and return it. Shows a progress bar on a terminal."""
    shown = Progress(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    )
    shown.disable = not shown.console.is_terminal
    with shown:
        task = shown.add_task("", total=_number(expected))
        while job["status"] not in FINISHED:
            await asyncio.sleep(_LOOK_S)
            job = await api.get(f"{kind.path}/{job['sid']}")
            shown.update(task, completed=_number(job[kind.copied]))
    return job


def _number(told: object) -> int | None:
    return told if isinstance(told, int) else None


def _told(preview: Answer, kind: JobKind) -> str:
    if not preview["selected"]:
        return kind.nothing
    least = "" if preview["complete"] else "at least "
    return (
        f"{least}{preview[kind.copied]} events, {preview['oldest']} to {preview['newest']}, in "
        f"{preview['expected_minutes']} minutes at {preview['rate']} per second{_skipped(preview)}"
    )


def _skipped(answer: Answer) -> str:
    skipped = answer["skipped"]
    assert isinstance(skipped, dict)
    return "".join(f", {count} skipped: {reason}" for reason, count in skipped.items())
