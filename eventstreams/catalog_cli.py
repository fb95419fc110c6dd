"""``eventstreams catalog check``: for whoever writes an entry, and for CI."""

import sys
from pathlib import Path

import click

from eventstreams.catalog_check import check_catalog
from eventstreams.errors import CatalogError
from eventstreams.settings import Settings


@click.group()
def catalog() -> None:
    """The catalogue of event types and their schemas."""


@catalog.command()
@click.argument("folders", nargs=-1, type=click.Path(file_okay=False, path_type=Path), metavar="[FOLDER]...")
def check(folders: tuple[Path, ...]) -> None:
    """Say all that is wrong with the catalogue: a line for each problem, and exit code 5.

    FOLDER holds event types of your own; without one, those of EVENTSTREAMS_CATALOG_DIRS are checked. The
    built-in catalogue is always checked with them.
    """
    reading, problems = check_catalog(folders or Settings.load().catalog_dirs)
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        click.echo(f"{len(problems)} problem{'s' * (len(problems) > 1)} in the catalogue", err=True)
        sys.exit(CatalogError.exit_code)
    versions = sum(len(schema.versions) for schema in reading.schemas.values())
    click.echo(
        f"{len(reading.products)} products, {len(reading.schemas)} schemas with {versions} versions, "
        f"{len(reading.types)} event types: nothing is wrong"
    )
