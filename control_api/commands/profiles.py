"""``eventstreams profiles``: named sets of an API's address and credentials, for several installations or accounts."""

import sys
from dataclasses import asdict, replace
from typing import Final

import click
from pydantic import SecretStr

from control_api.commands.run import show_json, show_table
from eventstreams.cli.group import Group
from eventstreams.cli.profiles import LOCAL_API, Profile, ProfileFile
from eventstreams.cli.terminal import examples
from eventstreams.settings import Settings

_COLUMNS: Final = ("name", "default", "url", "account_sid", "key_sid", "token", "operator_token")


@click.group(
    cls=Group,
    epilog=examples(
        "eventstreams profiles add staging --url https://events.staging.example.com --account AC…",
        "eventstreams --profile staging sinks list",
        "eventstreams profiles use staging",
    ),
)
def profiles() -> None:
    """Store installations and credentials as profiles, in a file that only you can read.

    EVENTSTREAMS_PROFILE, or --profile before the command, selects one. Otherwise EVENTSTREAMS_ACCOUNT_SID and the like
    apply, and if none of them is set, the default profile.
    """


@profiles.command()
@click.argument("name")
@click.option("--url", help=f"URL of the API; default: {LOCAL_API}.")
@click.option("--account", metavar="AC…", help="Account to authenticate as.")
@click.option(
    "--key", metavar="SK…", help="Authenticate with this API key of the account; default: with its auth token."
)
@click.option("--operator", is_flag=True, help="Also prompt for the operator's token.")
def add(name: str, url: str | None, account: str | None, key: str | None, *, operator: bool) -> None:
    """Add a profile, or change the given parts of one. Tokens are prompted for, or read from standard input, one per
    line.
    """
    file = ProfileFile.of_user()
    known = file.get(name) if name in file.names else Profile()
    profile = replace(known, url=url or known.url)
    if account is not None or key is not None:
        token = _secret("secret of the key" if key else "auth token of the account")
        profile = replace(profile, account_sid=account or known.account_sid, key_sid=key, token=token)
    if operator:
        profile = replace(profile, operator_token=_secret("operator's token"))
    file.put(name, profile)
    click.echo(
        f"profile {name} is stored in {file.path}" + (", and is the default" if file.default == name else ""), err=True
    )


@profiles.command("list")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", help="Output format; json is for scripts."
)
def list_profiles(output: str) -> None:
    """List profiles. Tokens are not shown, only whether they are set."""
    file = ProfileFile.of_user()
    default = Settings.load().profile or file.default
    found = []
    for name in file.names:
        profile = file.get(name)
        has = {each: getattr(profile, each) is not None for each in ("token", "operator_token")}
        found.append({"name": name, "default": name == default, **asdict(profile), **has})
    if output == "json":
        show_json(found)
    else:
        show_table(found, _COLUMNS)


@profiles.command()
@click.argument("name")
def use(name: str) -> None:
    """Make a profile the default one."""
    ProfileFile.of_user().choose(name)
    click.echo(f"{name} is now the default", err=True)


@profiles.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove a profile and its tokens."""
    ProfileFile.of_user().remove(name)
    click.echo(f"{name} was removed", err=True)


def _secret(what: str) -> SecretStr:
    """Prompt for a secret, or read it from standard input.

    Secrets are never arguments: everybody on the machine can see those, and they stay in the shell's history.
    """
    if sys.stdin.isatty():
        return SecretStr(click.prompt(what, hide_input=True, err=True))
    line = sys.stdin.readline().strip()
    if not line:
        raise click.UsageError(f"the {what} must be typed, or given as a line on standard input")
    return SecretStr(line)
