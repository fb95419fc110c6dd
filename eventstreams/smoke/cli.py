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
@click.option("--api", type=URL, help="Where the API is; default: as the profile or EVENTSTREAMS_PUBLIC_URL has it.")
@click.option("--gateway", type=URL, help=f"Where the gateway is; default: EVENTSTREAMS_GATEWAY_URL, or {_GATEWAY}.")
@click.option("--events", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many to publish.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(1, 3600), default=60.0, show_default=True, help="Seconds for all."
)
@click.option("--listen", default="0.0.0.0:0", show_default=True, help="Where to take deliveries; port 0 is any.")
@click.option(
    "--receiver-url", type=URL, help="Where workers reach that; default: this machine's address on the way to the API."
)
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", help="json: the result, on stdout."
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

    It does what users do: makes a webhook sink and a subscription for the account EVENTSTREAMS_ACCOUNT_SID with its
    EVENTSTREAMS_AUTH_TOKEN, publishes through the gateway, receives, checks signatures, and removes both. Workers must
    be allowed to reach it: a private address has to be in their EVENTSTREAMS_ALLOWED_DESTINATIONS. Other subscriptions
    of the account to messages that were sent get the events too, so take an account that has none.
    """
    settings = Settings.load()
    profile = chosen_profile(settings)
    if profile.account_sid is None or profile.auth_token is None:
        raise SettingsError(
            f"set {PREFIX}ACCOUNT_SID and {PREFIX}AUTH_TOKEN to an account of the installation, or name a profile that "
            "has both; a key's secret checks no signature"
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
