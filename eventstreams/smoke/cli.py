"""``eventstreams smoke``."""

import asyncio
import sys
from dataclasses import asdict
from typing import Final

import click

from eventstreams.cli.profiles import chosen_profile
from eventstreams.cli.terminal import harmless_json, harmless_lines
from eventstreams.cli.url import URL
from eventstreams.errors import SettingsError
from eventstreams.settings import PREFIX, Settings
from eventstreams.smoke.receiver import SmokeReceiver
from eventstreams.smoke.run import Found, Installation, run_smoke

_GATEWAY: Final = "http://127.0.0.1:8081"


@click.command()
@click.option("--api", type=URL, help="URL of the API; default: from the profile or EVENTSTREAMS_PUBLIC_URL.")
@click.option("--gateway", type=URL, help=f"URL of the gateway; default: EVENTSTREAMS_GATEWAY_URL, or {_GATEWAY}.")
@click.option(
    "--events", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many events to publish."
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(1, 3600),
    default=60.0,
    show_default=True,
    help="Time limit for the whole test, in seconds.",
)
@click.option(
    "--listen",
    default="0.0.0.0:0",
    show_default=True,
    help="Address on which to receive deliveries; port 0 picks a free one.",
)
@click.option(
    "--receiver-url",
    type=URL,
    help="URL at which workers reach the receiver; default: this machine's address towards the API.",
)
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="json: print the result on stdout."
)
def smoke(
    api: str | None,
    gateway: str | None,
    events: int,
    timeout_s: float,
    listen: str,
    receiver_url: str | None,
    output: str,
) -> None:
    """Publish events to a running installation and wait until each is delivered: exit code 0, or 1 with the reason.

    It does what users do: it creates a webhook sink and a subscription for the account EVENTSTREAMS_ACCOUNT_SID with
    its EVENTSTREAMS_AUTH_TOKEN, publishes through the gateway, receives the events, checks their signatures, and
    removes sink and subscription. Workers must be allowed to reach it: a private address has to be in their
    EVENTSTREAMS_ALLOWED_DESTINATIONS. The account's other subscriptions to sent messages get the events as well, so use
    an account that has none.
    """
    settings = Settings.load()
    profile = chosen_profile(settings)
    if profile.account_sid is None or profile.auth_token is None:
        raise SettingsError(
            f"set {PREFIX}ACCOUNT_SID and {PREFIX}AUTH_TOKEN to an account of the installation, or select a "
            "profile that has both; signatures cannot be checked with an API key's secret"
        )
    installation = Installation(
        api=(api or profile.url).rstrip("/"),
        gateway=(gateway or settings.gateway_url or _GATEWAY).rstrip("/"),
        account_sid=profile.account_sid,
        auth_token=profile.auth_token,
    )

    def say(what: str, sentence: str) -> None:
        click.echo(f"{what:<12} {harmless_lines(sentence)}", err=output == "json")

    async def work() -> Found:
        receiver = SmokeReceiver(installation.auth_token)
        async with receiver.listening(listen, reached_at=receiver_url, seen_by=installation.api):
            return await run_smoke(installation, receiver, events=events, timeout_s=timeout_s, say=say)

    found = asyncio.run(work())
    if output == "json":
        click.echo(harmless_json(asdict(found)))
    else:
        say("ok", "it works")
    sys.exit(0)
