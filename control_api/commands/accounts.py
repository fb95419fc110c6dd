"""``eventstreams accounts`` and ``keys``: the operator's API, and an account's own keys, on the command line."""

from datetime import timedelta
from typing import Final

import click

from control_api.commands.remote import Answer, Remote
from control_api.commands.run import PAGE, all_of, common, given, named, run
from eventstreams.cli.group import Group
from eventstreams.cli.terminal import examples
from eventstreams.control.records import AccountStatus, KeyScope
from eventstreams.durations import parse_duration

_ACCOUNTS: Final = "/operator/v1/Accounts"
_OWN_KEYS: Final = "/v1/Keys"
_ACCOUNT_COLUMNS: Final = ("sid", "friendly_name", "status", "owner_account_sid", "date_created")
_KEY_COLUMNS: Final = ("sid", "friendly_name", "scope", "date_created")


_SID: Final = click.argument("sid", metavar="AC…")


@click.group(cls=Group)
def accounts() -> None:
    """Create, inspect, suspend and close accounts. Needs EVENTSTREAMS_OPERATOR_TOKEN."""


@accounts.command(
    "create",
    epilog=examples("eventstreams accounts create Acme", "eventstreams accounts create 'Acme, tests' --owner AC…"),
)
@click.argument("friendly_name")
@click.option("--owner", metavar="AC…", help="Create it as a subaccount of this one.")
@click.option("--sid", metavar="AC…", help="Use this SID; default: a new one.")
@common
def create_account(friendly_name: str, owner: str | None, sid: str | None, url: str | None, output: str) -> None:
    """Create an account. Its auth token is shown only once."""
    fields = given(FriendlyName=friendly_name, OwnerAccountSid=owner, Sid=sid)
    run(lambda api: api.post(_ACCOUNTS, fields), url, output, _ACCOUNT_COLUMNS)


@accounts.command("list")
@click.option(
    "--status", type=click.Choice([each.value for each in AccountStatus]), help="Only those with this status."
)
@click.option("--owner", metavar="AC…", help="Only subaccounts of this one.")
@common
def list_accounts(status: str | None, owner: str | None, url: str | None, output: str) -> None:
    """List accounts, oldest first."""
    fields = [("PageSize", PAGE), *given(Status=status, OwnerAccountSid=owner)]
    run(lambda api: all_of(api, _ACCOUNTS, "accounts", fields), url, output, _ACCOUNT_COLUMNS)


@accounts.command("show")
@_SID
@common
def show_account(sid: str, url: str | None, output: str) -> None:
    """Show an account."""
    run(lambda api: api.get(f"{_ACCOUNTS}/{named(sid)}"), url, output, _ACCOUNT_COLUMNS)


@accounts.command()
@_SID
@common
def suspend(sid: str, url: str | None, output: str) -> None:
    """Suspend an account: its credentials are refused, and its events wait until their deadlines."""
    _set_status(sid, AccountStatus.SUSPENDED, url, output)


@accounts.command()
@_SID
@common
def resume(sid: str, url: str | None, output: str) -> None:
    """End the suspension of an account."""
    _set_status(sid, AccountStatus.ACTIVE, url, output)


@accounts.command()
@_SID
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@common
def close(sid: str, url: str | None, output: str, *, yes: bool) -> None:
    """Close an account permanently: its sinks, subscriptions and keys are removed, and waiting events become dead
    letters.
    """
    if not yes:
        click.confirm(f"Close account {sid} and its subaccounts permanently?", abort=True, err=True)
    _set_status(sid, AccountStatus.CLOSED, url, output)


@accounts.command("rotate-token")
@_SID
@click.option(
    "--grace", default="24h", show_default=True, help="How long the present token stays valid, such as 0s or 24h."
)
@common
def rotate_token(sid: str, grace: str, url: str | None, output: str) -> None:
    """Rotate an account's auth token. The new one is shown only once."""
    seconds = str(int(_grace(grace).total_seconds()))
    fields = [("GraceSeconds", seconds)]
    columns = ("sid", "friendly_name", "date_promoted")
    run(lambda api: api.post(f"{_ACCOUNTS}/{named(sid)}/RotateToken", fields), url, output, columns)


@accounts.command("promote-token")
@_SID
@common
def promote_token(sid: str, url: str | None, output: str) -> None:
    """End the grace period of a rotation now: the old token becomes invalid."""
    run(lambda api: api.post(f"{_ACCOUNTS}/{named(sid)}/PromoteToken", ()), url, output, _ACCOUNT_COLUMNS)


@click.group(cls=Group)
def keys() -> None:
    """Create, list and revoke API keys of the configured account or, as the operator, of any account."""


_account = click.option(
    "--account",
    metavar="AC…",
    help="Account that owns the keys; needs EVENTSTREAMS_OPERATOR_TOKEN. Default: your own.",
)


@keys.command(
    "create",
    epilog=examples("eventstreams keys create --name 'our products' --scope publish"),
)
@_account
@click.option("--name", help="What the key is for.")
@click.option(
    "--scope",
    type=click.Choice([each.value for each in KeyScope]),
    default="full",
    show_default=True,
    help="What the key may do.",
)
@common
def create_key(account: str | None, name: str | None, scope: str, url: str | None, output: str) -> None:
    """Create an API key. Its secret is shown only once."""
    fields = given(FriendlyName=name, Scope=scope)
    run(lambda api: api.post(_keys_of(account), fields), url, output, _KEY_COLUMNS, as_operator=account is not None)


@keys.command("list")
@_account
@common
def list_keys(account: str | None, url: str | None, output: str) -> None:
    """List API keys, oldest first."""
    fields = [("PageSize", PAGE)]
    as_operator = account is not None
    run(lambda api: all_of(api, _keys_of(account), "keys", fields), url, output, _KEY_COLUMNS, as_operator=as_operator)


@keys.command("revoke")
@click.argument("sid", metavar="SK…")
@_account
@common
def revoke_key(sid: str, account: str | None, url: str | None, output: str) -> None:
    """Revoke an API key."""

    async def revoke(api: Remote) -> Answer:
        await api.delete(f"{_keys_of(account)}/{named(sid)}")
        return {"sid": sid, "revoked": True}

    run(revoke, url, output, ("sid", "revoked"), as_operator=account is not None)


def _set_status(sid: str, status: AccountStatus, url: str | None, output: str) -> None:
    run(lambda api: api.post(f"{_ACCOUNTS}/{named(sid)}", [("Status", status)]), url, output, _ACCOUNT_COLUMNS)


def _keys_of(account: str | None) -> str:
    return _OWN_KEYS if account is None else f"{_ACCOUNTS}/{named(account)}/Keys"


def _grace(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--grace") from None
