"""``eventstreams listen``: a webhook receiver for the terminal."""

import asyncio
import errno
import signal
import threading
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import IO, Final

import click
import orjson
from rich.text import Text

from control_api.commands.remote import Remote
from control_api.commands.run import cell, console, url_option
from control_api.listener.receiver import Plan, Receiver, Seen, UnexpectedRequest
from control_api.listener.signatures import Known, Verdict, check_secret
from control_api.listener.subscribed import Temporary, subscribed
from eventstreams.cli.profiles import chosen_profile
from eventstreams.cli.terminal import examples, harmless, harmless_json
from eventstreams.cli.url import URL
from eventstreams.process.listen import address_of, open_socket
from eventstreams.settings import Settings

_LONGEST_DATA: Final = 200
_FAILURE: Final = HTTPStatus.SERVICE_UNAVAILABLE
_ANY_ADDRESS: Final = frozenset({"0.0.0.0", "[::]", "::", ""})  # noqa: S104 - it is refused
_FORGED: Final = frozenset({Verdict.WRONG, Verdict.MISSING})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    listen: str
    reached_at: str | None
    plan: Plan
    types: Sequence[str]
    scheme: str | None
    secret: str | None = field(repr=False)
    count: int | None
    as_json: bool


@click.command(
    epilog=examples(
        "eventstreams listen --subscribe com.twilio.messaging.message.sent",
        "eventstreams listen --fail-first 2          each event arrives a third time",
        "eventstreams listen --answer 500            see how events are retried",
    )
)
@click.option(
    "--listen",
    "listen_at",
    default="127.0.0.1:9000",
    show_default=True,
    help="Address to listen on; port 0 picks a free one.",
)
@click.option("--receiver-url", type=URL, help="URL of the sink, if it differs, such as that of a tunnel.")
@click.option("--answer", type=click.IntRange(200, 599), help="Status to answer with. Default: 200.")
@click.option(
    "--fail-first",
    type=click.IntRange(0, 1000),
    metavar="N",
    help="Fail only the first N deliveries of each event, with 503 unless --answer says otherwise.",
)
@click.option("--subscribe", "types", multiple=True, metavar="TYPE", help="Create a temporary sink and subscription.")
@click.option(
    "--standard-webhooks",
    "scheme",
    type=click.Choice(["v1", "v1a"]),
    help="With --subscribe: also sign according to Standard Webhooks.",
)
@click.option(
    "--secret-file",
    type=click.File("r"),
    metavar="FILE",
    help="File with the whsec_… or whpk_… key for checking Standard Webhooks signatures.",
)
@click.option("--count", type=click.IntRange(1), help="Exit after this many events; default: on Ctrl-C.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    help="json: one object per event and line.",
)
@url_option
def listen(
    listen_at: str,
    receiver_url: str | None,
    answer: int | None,
    fail_first: int | None,
    types: Sequence[str],
    scheme: str | None,
    secret_file: IO[str] | None,
    count: int | None,
    output: str,
    url: str | None,
) -> None:
    """Receive webhooks until Ctrl-C and show each event: its type, its id, how often it came, and its data.

    Signatures are checked with EVENTSTREAMS_AUTH_TOKEN, and requests that are not signed with it get a 403. --subscribe
    creates a sink and a subscription for the configured account, and removes both on exit; workers must be allowed to
    reach this address (EVENTSTREAMS_ALLOWED_DESTINATIONS).
    """
    if scheme is not None and not types:
        raise click.UsageError("--standard-webhooks requires --subscribe; for an existing sink use --secret-file")
    if types and receiver_url is None and listen_at.rpartition(":")[0] in _ANY_ADDRESS:
        raise click.UsageError(
            f"--listen {listen_at} means all addresses: specify with --receiver-url where workers can reach it"
        )
    wanted = _Wanted(
        listen=listen_at,
        reached_at=receiver_url,
        plan=Plan(answer or (HTTPStatus.OK if fail_first is None else _FAILURE), fail_first),
        types=types,
        scheme=scheme,
        secret=None if secret_file is None else _secret_in(secret_file),
        count=count,
        as_json=output == "json",
    )
    try:
        asyncio.run(_listen(Settings.load(), wanted, url))
    except KeyboardInterrupt:
        click.echo(err=True)  # a second Ctrl-C


async def _listen(settings: Settings, wanted: _Wanted, url: str | None) -> None:
    stopping, left, unseen = asyncio.Event(), wanted.count, False
    _end_at_signals(stopping)

    def tell(what: Seen | UnexpectedRequest) -> None:
        nonlocal left, unseen
        try:
            _show(what, as_json=wanted.as_json)
        except (BrokenPipeError, SystemExit):  # rich turns the first into the second
            unseen = True
            stopping.set()
            return
        if left is not None and isinstance(what, Seen) and what.signature not in _FORGED:
            left -= 1
            if left <= 0:
                stopping.set()

    signed_with = chosen_profile(settings).auth_token
    token = None if signed_with is None else signed_with.get_secret_value()
    receiver = Receiver(wanted.plan, tell)
    receiver.known = Known(token, wanted.secret, wanted.reached_at)
    opened = open_socket(wanted.listen, setting="--listen")
    async with AsyncExitStack() as stack:
        here = wanted.reached_at or f"http://{address_of(opened)}/"
        await stack.enter_async_context(receiver.listening(opened))
        if wanted.types:
            api = await stack.enter_async_context(Remote(settings, url))
            making = subscribed(api, here, wanted.types, scheme=wanted.scheme, say=_say)
            made: Temporary = await stack.enter_async_context(making)
            receiver.known = replace(receiver.known, standard=made.secret or wanted.secret)
            _say(f"sink {made.sink_sid}, subscription {made.subscription_sid}: removed on exit")
        _say(
            f"listening on {here}"
            + ("" if token else "; EVENTSTREAMS_AUTH_TOKEN is not set: signatures are not checked")
        )
        await stopping.wait()
    if unseen:
        raise BrokenPipeError(errno.EPIPE, "nobody reads the output")  # click then ends the process as usual


def _end_at_signals(stopping: asyncio.Event) -> None:
    """Stop gracefully at the first signal, at once at the second."""
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread receives signals
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        stopping.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)


def _show(what: Seen | UnexpectedRequest, *, as_json: bool) -> None:
    match what:
        case UnexpectedRequest():
            _say(f"answered {what.answered} to a request: {what.what}; signature {what.signature}")
        case Seen() if as_json:
            told = {"event": what.event, "arrival": what.arrival, "signature": what.signature}
            click.echo(harmless_json({**told, "answered": what.answered, "others": what.others}))
        case Seen():
            console().print(_line(what), soft_wrap=True)


def _line(seen: Seen) -> Text:
    style = "red" if seen.answered >= HTTPStatus.BAD_REQUEST else "green"
    known = "" if seen.signature is Verdict.GENUINE else f"  SIGNATURE {seen.signature.upper()}"
    batch = f"  with {seen.others} others" if seen.others else ""
    return Text("  ").join(
        [
            Text(str(seen.answered), style=style),
            cell(seen.event.get("type")),
            cell(seen.event.get("id")),
            Text(f"#{seen.arrival}{batch}{known}"),
            Text(_short(seen.event.get("data")), style="dim"),
        ]
    )


def _short(data: object) -> str:
    """The beginning of ``data``, which may be megabytes."""
    return harmless(orjson.dumps(data)[: 4 * _LONGEST_DATA].decode(errors="ignore"), longest=_LONGEST_DATA)


def _say(sentence: str) -> None:
    click.echo(harmless(sentence), err=True)


def _secret_in(file: IO[str]) -> str:
    try:
        return check_secret(file.read().strip())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--secret-file") from None
