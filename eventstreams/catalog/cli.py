"""``eventstreams catalog``: ``check`` for authors of entries, and ``register`` for consumers outside the product."""

import asyncio
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from eventstreams.catalog import Catalog, Schema
from eventstreams.catalog.check import check_catalog
from eventstreams.cli.group import Group
from eventstreams.cli.terminal import harmless
from eventstreams.errors import CatalogError, SettingsError
from eventstreams.schema_registry import (
    Refused,
    Registered,
    RegistrationOutcome,
    RegistryError,
    SchemaRegistry,
    register,
)
from eventstreams.settings import PREFIX, Settings


@click.group(cls=Group)
def catalog() -> None:
    """The catalogue of event types and their schemas."""


@catalog.command()
@click.argument("folders", nargs=-1, type=click.Path(file_okay=False, path_type=Path), metavar="[FOLDER]...")
def check(folders: tuple[Path, ...]) -> None:
    """Report all problems in the catalogue: one line per problem, and exit code 5.

    FOLDER holds your own event types; without one, those in EVENTSTREAMS_CATALOG_DIRS are checked. The built-in
    catalogue is always checked as well.
    """
    reading, problems = check_catalog(folders or Settings.load().catalog_dirs)
    for problem in problems:
        click.echo(harmless(problem), err=True)
    if problems:
        click.echo(f"{len(problems)} problem{'s' * (len(problems) > 1)} in the catalogue", err=True)
        sys.exit(CatalogError.exit_code)
    versions = sum(len(schema.versions) for schema in reading.schemas.values())
    click.echo(
        f"{len(reading.products)} products, {len(reading.schemas)} schemas with {versions} versions, "
        f"{len(reading.types)} event types: no problems found"
    )


@catalog.command("register")
@click.argument("schemas", nargs=-1, metavar="[SCHEMA]...")
@click.option("--dry-run", is_flag=True, help="Only report what would be registered.")
def register_command(
    schemas: tuple[str, ...],
    dry_run: bool,  # noqa: FBT001 - click passes it by name
) -> None:
    """Register the catalogue's schemas in the registry at EVENTSTREAMS_SCHEMA_REGISTRY_URL, for external consumers.

    SCHEMA is the id of a schema, such as Messaging.MessageStatus; without one, all are registered. Each becomes a
    subject of that name, with the catalogue's versions. Existing versions are left as they are. The exit code is 1 if
    any was refused.
    """
    settings = Settings.load()
    registry = SchemaRegistry.of(settings)
    if registry is None:
        raise SettingsError(f"set {PREFIX}SCHEMA_REGISTRY_URL to the registry, such as http://127.0.0.1:8081")
    chosen = _chosen(Catalog.load(settings.catalog_dirs), schemas)
    outcomes = asyncio.run(_register(registry, chosen, dry_run=dry_run))
    for outcome in outcomes:
        match outcome:
            case Registered(schema_id, added):
                if added:
                    done = "would be registered" if dry_run else "registered"
                    click.echo(harmless(f"{schema_id}: version {', '.join(map(str, added))} {done}"))
            case Refused(schema_id, reason):
                click.echo(harmless(f"{schema_id}: {reason}"), err=True)
    refused = sum(isinstance(outcome, Refused) for outcome in outcomes)
    missing = sum(len(outcome.added) for outcome in outcomes if isinstance(outcome, Registered))
    verb = "to register" if dry_run else "registered"
    click.echo(f"{len(outcomes)} schemas: {missing} versions {verb}, {refused} schemas refused")
    if refused:
        sys.exit(RegistryError.exit_code)


async def _register(
    registry: SchemaRegistry, schemas: Sequence[Schema], *, dry_run: bool
) -> Sequence[RegistrationOutcome]:
    async with registry:
        return await register(registry, schemas, dry_run=dry_run)


def _chosen(catalog: Catalog, ids: Sequence[str]) -> Sequence[Schema]:
    for unknown in (each for each in ids if each not in catalog.schemas):
        near = difflib.get_close_matches(unknown, catalog.schemas, n=1)
        hint = f": did you mean {near[0]}?" if near else ""
        raise click.UsageError(f"There is no schema {unknown}{hint}")
    return [catalog.schemas[each] for each in dict.fromkeys(ids)] or list(catalog.schemas.values())
