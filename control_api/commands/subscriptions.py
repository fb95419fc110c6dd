"""``eventstreams subscriptions``: a subscriber's subscriptions on the command line."""

from collections.abc import Sequence
from typing import Final

import click
import orjson

from control_api.commands.remote import Answer, Fields, Remote
from control_api.commands.run import PAGE, all_of, common, given, named, run
from control_api.commands.run import yes_option as yes
from control_api.commands.types import unknown_type
from control_api.http.codes import Code
from eventstreams.cli.group import Group
from eventstreams.cli.terminal import examples
from eventstreams.client import ApiError

_SUBSCRIPTIONS: Final = "/v1/Subscriptions"
_COLUMNS: Final = ("sid", "description", "sink_sid")
_SHOWN: Final = (
    "sid", "description", "sink_sid", "types", "filter", "receive_events_from_subaccounts", "date_created", "paused",
    "ttl", "retry_delays", "max_attempts", "partitions",
)  # fmt: skip
_NONE: Final = "none yet: create one with `eventstreams subscriptions create`"
_TYPE_COLUMNS: Final = ("subscription_sid", "type", "schema_version")
_SID: Final = click.argument("sid", metavar="DF…")


@click.group(cls=Group)
def subscriptions() -> None:
    """Create, inspect, change and delete subscriptions: which event types go to which sink."""


@subscriptions.command("list")
@click.option("--sink", metavar="DG…", help="Only those that deliver to this sink.")
@common
def list_subscriptions(sink: str | None, url: str | None, output: str) -> None:
    """List subscriptions, oldest first."""
    fields = [("PageSize", PAGE), *given(SinkSid=sink)]
    run(
        lambda api: all_of(api, _SUBSCRIPTIONS, "subscriptions", fields),
        url,
        output,
        _COLUMNS,
        as_operator=False,
        none=_NONE,
    )


@subscriptions.command("show")
@_SID
@common
def show_subscription(sid: str, url: str | None, output: str) -> None:
    """Show a subscription: its event types with their schema versions, its filter and its retry settings."""

    async def look(api: Remote) -> Answer:
        path = f"{_SUBSCRIPTIONS}/{named(sid)}"
        found = await api.get(path)
        delivery = await api.get(f"{path}/Delivery")
        types = await all_of(api, f"{path}/SubscribedEvents", "types", [("PageSize", PAGE)])
        return {**delivery, **found, "types": [_with_version(each["type"], each["schema_version"]) for each in types]}

    run(look, url, output, _SHOWN, as_operator=False)


@subscriptions.command(
    "create",
    epilog=examples(
        "eventstreams subscriptions create messages --sink DG… com.twilio.messaging.message.sent:7",
        "eventstreams types messaging                 see which there are",
    ),
)
@click.argument("description")
@click.argument("types", nargs=-1, required=True, metavar="TYPE[:VERSION]...")
@click.option("--sink", required=True, metavar="DG…", help="Sink to deliver to.")
@click.option("--filter", "expression", metavar="CEL", help="Deliver only events for which this expression is true.")
@click.option("--from-subaccounts", is_flag=True, help="Include events of subaccounts.")
@common
def create_subscription(
    description: str,
    types: Sequence[str],
    sink: str,
    expression: str | None,
    url: str | None,
    output: str,
    *,
    from_subaccounts: bool,
) -> None:
    """Subscribe a sink to event types. VERSION is a schema version; default: the newest."""
    fields = [
        *given(Description=description, SinkSid=sink, Filter=expression),
        *subscribed_fields(types),
        *given(ReceiveEventsFromSubaccounts="true" if from_subaccounts else None),
    ]

    async def create(api: Remote) -> Answer:
        try:
            return await api.post(_SUBSCRIPTIONS, fields)
        except ApiError as error:
            if error.code != Code.EVENT_TYPE_NOT_FOUND:
                raise
            for each in types:  # the API only says that one is unknown; suggest similar ones
                if unknown := await unknown_type(api, _parsed(each)[0]):
                    raise ApiError(unknown) from None
            raise

    run(create, url, output, _COLUMNS, as_operator=False)


@subscriptions.command("add-type")
@_SID
@click.argument("type_", metavar="TYPE[:VERSION]")
@common
def add_type(sid: str, type_: str, url: str | None, output: str) -> None:
    """Add an event type, or change the schema version of an existing one. Applies to events from now on."""
    name, version = _parsed(type_)
    fields = given(Type=name, SchemaVersion=None if version is None else str(version))
    path = f"{_SUBSCRIPTIONS}/{named(sid)}/SubscribedEvents"
    run(lambda api: api.post(path, fields), url, output, _TYPE_COLUMNS, as_operator=False)


@subscriptions.command("remove-type")
@_SID
@click.argument("type_", metavar="TYPE")
@common
def remove_type(sid: str, type_: str, url: str | None, output: str) -> None:
    """Remove an event type. Its waiting events become dead letters."""

    async def remove(api: Remote) -> Answer:
        await api.delete(f"{_SUBSCRIPTIONS}/{named(sid)}/SubscribedEvents/{named(type_)}")
        return {"subscription_sid": sid, "type": type_, "removed": True}

    run(remove, url, output, ("subscription_sid", "type", "removed"), as_operator=False)


@subscriptions.command()
@_SID
@yes
@common
def delete(sid: str, url: str | None, output: str, *, yes: bool) -> None:
    """Delete a subscription. Its waiting events become dead letters."""
    if not yes:
        click.confirm(f"Delete subscription {sid}?", abort=True, err=True)

    async def remove(api: Remote) -> Answer:
        await api.delete(f"{_SUBSCRIPTIONS}/{named(sid)}")
        return {"sid": sid, "deleted": True}

    run(remove, url, output, ("sid", "deleted"), as_operator=False)


def subscribed_fields(types: Sequence[str]) -> Fields:
    """The API's parameters for ``TYPE`` or ``TYPE:VERSION``. Raises ``click.BadParameter``."""
    parsed = [_parsed(each) for each in types]
    wanted = [
        {"type": name} if version is None else {"type": name, "schema_version": version} for name, version in parsed
    ]
    return [("Types", orjson.dumps(each).decode()) for each in wanted]


def _parsed(text: str) -> tuple[str, int | None]:
    name, colon, version = text.partition(":")
    if not colon:
        return name, None
    if not (version.isascii() and version.isdecimal() and len(version) < 10):  # noqa: PLR2004 - the API takes nine digits
        raise click.BadParameter(f"{text!r}: a schema version must follow the colon, such as {name}:1")
    return name, int(version)


def _with_version(name: object, version: object) -> str:
    return f"{name}:{version}"
