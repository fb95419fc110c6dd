"""``eventstreams sinks``: a subscriber's sinks on the command line."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import click
import orjson

from control_api.commands.remote import Answer, Remote
from control_api.commands.run import PAGE, all_of, ask, common, given, named, run, show_json, show_one
from control_api.commands.run import yes_option as yes
from eventstreams.cli.group import Group
from eventstreams.cli.terminal import examples, harmless
from eventstreams.client import ApiError
from eventstreams.control.records import SinkStatus

_SINKS: Final = "/v1/Sinks"
_COLUMNS: Final = ("sid", "description", "sink_type", "status")
_SHOWN: Final = (
    "sid", "description", "sink_type", "status", "sink_configuration", "date_created", "date_updated",
    "state", "summary", "paused", "rate_limit", "waiting", "last_delivered_at",
)  # fmt: skip
_NONE: Final = "none yet: create one with `eventstreams sinks create`"
_TESTED: Final = ("sink_sid", "outcome", "status", "reason", "code", "detail", "answer", "duration_ms", "next_try_at")
_LOOK_S: Final = 0.3
_SID: Final = click.argument("sid", metavar="DG…")


@click.group(cls=Group)
def sinks() -> None:
    """Create, inspect, test, pause and delete sinks: where events are delivered."""


@sinks.command("list")
@click.option("--status", type=click.Choice([each.value for each in SinkStatus]), help="Only those with this status.")
@click.option("--in-use/--unused", default=None, help="Only those that are, or are not, used by a subscription.")
@common
def list_sinks(status: str | None, in_use: bool | None, url: str | None, output: str) -> None:  # noqa: FBT001 - click passes it by name
    """List sinks, oldest first."""
    used = None if in_use is None else str(in_use).lower()
    fields = [("PageSize", PAGE), *given(Status=status, InUse=used)]
    run(lambda api: all_of(api, _SINKS, "sinks", fields), url, output, _COLUMNS, as_operator=False, none=_NONE)


@sinks.command("show")
@_SID
@common
def show_sink(sid: str, url: str | None, output: str) -> None:
    """Show a sink: its configuration without secrets, its health, and what is waiting for it."""

    async def look(api: Remote) -> Answer:
        sink = await api.get(f"{_SINKS}/{named(sid)}")
        delivery = await api.get(f"{_SINKS}/{named(sid)}/Delivery")
        return {**await _health(api, sid), **delivery, **sink}

    run(look, url, output, _SHOWN, as_operator=False)


@sinks.command(
    "create",
    epilog=examples(
        "eventstreams sinks create orders --destination https://hooks.example.com/events",
        "eventstreams sinks create stream --type kinesis --configuration kinesis.json",
    ),
)
@click.argument("description")
@click.option("--type", "sink_type", default="webhook", show_default=True, help="Sink type, such as kinesis.")
@click.option("--destination", metavar="URL", help="URL of a webhook, in place of --configuration.")
@click.option(
    "--configuration",
    type=click.File("rb"),
    metavar="FILE",
    help="File with its configuration, a JSON object; - is standard input, the best way to pass secrets.",
)
@common
def create_sink(
    description: str,
    sink_type: str,
    destination: str | None,
    configuration: click.utils.LazyFile | None,
    url: str | None,
    output: str,
) -> None:
    """Create a sink."""
    wanted = _configuration(None if configuration is None else configuration.read(), destination)
    fields = given(Description=description, SinkType=sink_type, SinkConfiguration=orjson.dumps(wanted).decode())
    shown = (*_COLUMNS, "sink_configuration")
    run(lambda api: api.post(_SINKS, fields), url, output, shown, as_operator=False)


@sinks.command("test")
@_SID
@click.option(
    "--wait",
    type=click.FloatRange(0, 600),
    default=15.0,
    show_default=True,
    help="How long to wait for the answer, in seconds.",
)
@common
def test_sink(sid: str, wait: float, url: str | None, output: str) -> None:
    """Send a test event to a sink and show what the sink answered.

    The exit code is 1 if it was not delivered, or if nothing is known about it in time. The answer comes from the
    delivery log.
    """

    async def test(api: Remote) -> Answer:
        before = await _last_test(api, sid)
        await api.post(f"{_SINKS}/{named(sid)}/Test")
        until = time.monotonic() + wait
        while True:
            last = await _last_test(api, sid)
            if last is not None and last != before:
                return last
            if time.monotonic() >= until:
                how = (await _health(api, sid)).get("summary") or f"see sinks show {sid}"
                raise ApiError(f"the test event was sent, but no attempt has been logged after {wait:g} s. {how}")
            await asyncio.sleep(_LOOK_S)

    told = ask(test, url)
    assert isinstance(told, Mapping)
    if output == "json":
        show_json(told)
    else:
        show_one(told, _TESTED)
    if told["outcome"] != "delivered":
        raise ApiError(f"the test event was not delivered: {told['reason']}")


@sinks.command()
@_SID
@common
def pause(sid: str, url: str | None, output: str) -> None:
    """Pause a sink: its events wait until their deadlines."""
    _set_paused(sid, "true", url, output)


@sinks.command()
@_SID
@common
def resume(sid: str, url: str | None, output: str) -> None:
    """Resume deliveries to a sink."""
    _set_paused(sid, "false", url, output)


@sinks.command()
@_SID
@yes
@common
def delete(sid: str, url: str | None, output: str, *, yes: bool) -> None:
    """Delete a sink that no subscription uses."""
    if not yes:
        click.confirm(f"Delete sink {sid}?", abort=True, err=True)

    async def remove(api: Remote) -> Answer:
        await api.delete(f"{_SINKS}/{named(sid)}")
        return {"sid": sid, "deleted": True}

    run(remove, url, output, ("sid", "deleted"), as_operator=False)


@sinks.command()
@click.argument("sink", metavar="DG…")
@common
def validate(sink: str, url: str | None, output: str) -> None:
    """Check whether a sink's destination exists and accepts our credentials, such as whether its role can be assumed.

    No event is delivered: to see whether the sink accepts one, send a test event. The exit code is 1 if something is
    wrong, with an explanation.
    """
    told = ask(lambda api: api.post(f"{_SINKS}/{named(sink)}/Probe", []), url)
    assert isinstance(told, Mapping)
    if output == "json":
        show_json(told)
    if told["outcome"] != "delivered":
        words = "; ".join(str(told[name]) for name in ("detail", "answer") if told[name])
        raise ApiError(f"{sink} ({told['sink_type']}): {told['reason']} ({told['code']}): {words}")
    if output != "json":
        click.echo(harmless(f"{sink} ({told['sink_type']}): exists and accepts our credentials"))


def _configuration(text: bytes | None, destination: str | None) -> Mapping[str, object]:
    try:
        found = {} if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise click.BadParameter("it must contain a JSON object", param_hint="--configuration")
    return found if destination is None else {**found, "destination": destination}


async def _health(api: Remote, sid: str) -> Answer:
    """The sink's health; only a summary that says why if the delivery log, which knows it, is off or unreachable."""
    try:
        return await api.get(f"{_SINKS}/{named(sid)}/Health")
    except ApiError as error:
        return {"summary": error.message}


async def _last_test(api: Remote, sid: str) -> Answer | None:
    """The newest first attempt at a test event of the sink. All test events have the account's SID as their id."""
    told = await api.get("/v1/Attempts", [("SinkSid", sid), ("EventId", str(api.account_sid)), ("PageSize", "50")])
    attempts = told["attempts"]
    assert isinstance(attempts, list)
    return next((each for each in attempts if each["attempt"] == 1), None)


def _set_paused(sid: str, paused: str, url: str | None, output: str) -> None:
    path = f"{_SINKS}/{named(sid)}/Delivery"
    columns = ("sink_sid", "paused", "rate_limit", "throttle")
    run(lambda api: api.post(path, [("Paused", paused)]), url, output, columns, as_operator=False)
