"""``eventstreams control``."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

import click

from control_api.backup.document import Backup, BackupError, read, write
from control_api.backup.plan import Plan, counted, name_of
from control_api.backup.restoring import ImportOptions, restore
from control_api.backup.taking import reseal, take
from eventstreams.cli.group import Group
from eventstreams.cli.terminal import examples, harmless, harmless_lines
from eventstreams.control.vault import Vault
from eventstreams.settings import Settings
from eventstreams.times import from_ms, now_ms

_STANDARD: Final = "-"
_MOST_BYTES: Final = 1 << 30  # 120,000 records are some 60 MB; a larger file is no backup, and would fill the memory
_PRIVATE: Final = 0o600


@click.group(cls=Group)
def control() -> None:
    """Back up and restore the control topic (accounts, keys, sinks, subscriptions). docs/backup.md says what else to
    keep.
    """


@control.command("export", epilog=examples("eventstreams control export control.jsonl"))
@click.argument("file")
@click.option(
    "--reseal", "anew", is_flag=True, help="Re-encrypt all secrets with the first key of EVENTSTREAMS_SECRET_KEY."
)
def export_command(file: str, *, anew: bool) -> None:
    """Write all accounts, API keys, sinks and subscriptions to FILE, which must not exist yet, or to standard output
    (-).

    The system may keep running. Secrets stay encrypted: without EVENTSTREAMS_SECRET_KEY the file is useless.
    """
    settings = Settings.load()
    vault = Vault(settings)
    _check_free(file)
    taken = asyncio.run(take(settings))
    entries = reseal(taken.entries, vault) if anew else taken.entries
    for each in taken.unread:
        click.echo(f"warning: {harmless(each)}", err=True)
    content = write(entries, taken_at=from_ms(now_ms()), prefix=settings.topic_prefix, seals=vault)
    held = read(content, name=file, seals=vault)  # a file that cannot be read again is no backup
    _put(file, content)
    click.echo(f"exported {counted(held.resources)}", err=file == _STANDARD)
    click.echo(
        "also keep EVENTSTREAMS_SECRET_KEY, in a separate place: without it the secrets in the file cannot "
        "be decrypted",
        err=True,
    )


@control.command(
    "import",
    epilog=examples("eventstreams control import control.jsonl --dry-run", "eventstreams control import control.jsonl"),
)
@click.argument("file")
@click.option(
    "--into-existing",
    is_flag=True,
    help="Import into an installation that is not empty: add what is missing there, and replace what is older.",
)
@click.option(
    "--reseal", "anew", is_flag=True, help="Re-encrypt all secrets with the first key of EVENTSTREAMS_SECRET_KEY."
)
@click.option("--dry-run", is_flag=True, help="Report what would be done, without writing anything.")
def import_command(file: str, *, into_existing: bool, anew: bool, dry_run: bool) -> None:
    """Import what `eventstreams control export` wrote to FILE, or standard input (-), into an empty installation.

    No API process may be running. Subscription topics are created; their events are not part of the file.
    """
    settings = Settings.load()
    backup = read(_content(file), name=harmless(file), seals=Vault(settings))
    click.echo(
        f"taken {backup.taken_at:%Y-%m-%d %H:%M:%S %Z} from {harmless(backup.prefix)}: {counted(backup.resources)}",
        err=True,
    )
    options = ImportOptions(into_existing=into_existing, reseal=anew, dry_run=dry_run)
    planned = asyncio.run(
        restore(settings, backup, options, say=lambda text: click.echo(harmless_lines(text), err=True))
    )
    _tell(planned, backup, dry_run=dry_run)


def _tell(planned: Plan, backup: Backup, *, dry_run: bool) -> None:
    for each in planned.left_out:
        click.echo(harmless(f"left out: {each}"), err=True)
    if dry_run:
        for verb, found in (("add", planned.added), ("replace", planned.replaced)):
            for resource in found:
                click.echo(harmless(f"would {verb} {name_of(resource)} {resource.sid}"))
    would = "would be " if dry_run else ""
    click.echo(
        f"{would}added: {counted(planned.added)}; {would}replaced: {counted(planned.replaced)}; already up to "
        f"date: {planned.kept} of {len(backup.resources)}"
    )


def _check_free(file: str) -> None:
    """Raise ``BackupError`` if there is a file of that name already, or there can be none."""
    try:
        taken = file != _STANDARD and Path(file).exists()
    except OSError as error:
        raise BackupError(f"{harmless(file)} cannot be written: {error.strerror}") from error
    if taken:
        raise BackupError(f"{harmless(file)} already exists: choose another file")


def _put(file: str, content: bytes) -> None:
    """Write the whole file, or leave none of that name."""
    if file == _STANDARD:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    path = Path(file)
    part = path.with_name(f"{path.name}.part")
    try:
        part.unlink(missing_ok=True)  # left by an export that was killed
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        part.rename(path)
    except OSError as error:
        raise BackupError(f"{harmless(file)} cannot be written: {error.strerror}") from error


def _content(file: str) -> bytes:
    try:
        if file == _STANDARD:
            content = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with Path(file).open("rb") as given:
                content = given.read(_MOST_BYTES + 1)
    except OSError as error:
        raise BackupError(f"{harmless(file)} cannot be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise BackupError(f"{harmless(file)} is larger than {_MOST_BYTES >> 20} MiB: it is not a backup")
    return content
