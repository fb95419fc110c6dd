"""``eventstreams audit`` and ``rotate-secrets``: an operator's occasional tasks."""

import asyncio
from typing import Final

import click

from control_api.commands.remote import Remote
from control_api.commands.run import all_of, common, given, run
from eventstreams.settings import Settings

_AUDIT_COLUMNS: Final = (
    "date_created", "summary", "outcome", "actor_type", "actor_sid", "source_ip_address", "fields", "method", "route",
)  # fmt: skip


@click.command()
@click.option("--account", metavar="AC…", help="Only writes by or to this account.")
@click.option("--after", metavar="TIME", help="Only those at this time or later, such as 2026-03-29T04:00:00Z.")
@click.option("--before", metavar="TIME", help="Only those before this time.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many to show, newest first.")
@common
def audit(account: str | None, after: str | None, before: str | None, limit: int, url: str | None, output: str) -> None:
    """Show who changed what, newest first. Needs EVENTSTREAMS_OPERATOR_TOKEN."""
    fields = [("PageSize", str(min(limit, 1000))), *given(AccountSid=account, After=after, Before=before)]
    path = "/operator/v1/AuditEvents"
    run(lambda api: all_of(api, path, "audit_events", fields, limit=limit), url, output, _AUDIT_COLUMNS)


@click.command("rotate-secrets")
@click.option("--url", help="URL of the API; default: EVENTSTREAMS_PUBLIC_URL, or this machine.")
def rotate_secrets(url: str | None) -> None:
    """Re-encrypt every secret at rest with the first key of EVENTSTREAMS_SECRET_KEY.

    The system may keep running, and the command can be interrupted and repeated at any time. docs/accounts.md says when
    to use it.
    """
    asyncio.run(_rotate_secrets(Settings.load(), url))


async def _rotate_secrets(settings: Settings, url: str | None) -> None:
    total = 0
    async with Remote(settings, url, as_operator=True) as api:
        while True:
            told = await api.post("/operator/v1/SecretRotations", ())
            done, left = told["reencrypted"], told["left"]
            assert isinstance(done, int)
            total += done
            if left == 0:
                click.echo(f"{total} records re-encrypted; all secrets now use the first key")
                return
            click.echo(f"{total} done, {left} left", err=True)
