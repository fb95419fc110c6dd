"""``eventstreams generate-producers``: writes typed classes for a catalogue's event types, or checks them."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from eventstreams.catalog import Catalog, builtin_dir
from eventstreams.errors import CatalogError, PrerequisiteError
from producers.generator.modules import MARK, product_modules


def _is_generated(source: str) -> bool:
    """Whether the docstring of a module says that it is generated; other modules may mention the mark elsewhere."""
    return source.startswith('"""') and MARK in source.split('"""', 2)[1]


@click.command("generate-producers")
@click.argument("folders", nargs=-1, type=click.Path(file_okay=False, path_type=Path), metavar="[FOLDER]...")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder for the modules.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit with code 1 if the modules in DIR are not up to date.")
def generate_producers(folders: tuple[Path, ...], into: Path, check: bool) -> None:  # noqa: FBT001 - click's way
    """Generate a Python module for each product of a catalogue, with a class for each of its event types.

    FOLDER holds your own event types; without one, the built-in catalogue is used.
    """
    chosen = [each.resolve() for each in folders] or [builtin_dir().resolve()]
    catalog = Catalog.load(folders)
    schemas = [each for each in catalog.schemas.values() if each.latest.path.parent.parent.resolve() in chosen]
    wanted = product_modules(catalog, schemas)
    if not wanted:
        raise CatalogError(f"{', '.join(map(str, chosen))} has no event types that a product may publish")
    with _explained(into):
        there = {each.name: each.read_text("utf-8", "replace") for each in into.glob("*.py")}
    if taken := [name for name in wanted if name in there and not _is_generated(there[name])]:
        raise CatalogError(
            f"{into / taken[0]} already exists and was not generated: choose another folder or another product id"
        )
    stale = [name for name, source in wanted.items() if there.get(name) != source]
    gone = [name for name, source in there.items() if _is_generated(source) and name not in wanted]
    if check:
        if stale or gone:
            name = min([*stale, *gone])
            click.echo(f"{into / name} no longer matches the catalogue: generate it again", err=True)
            sys.exit(1)
        click.echo(f"{len(wanted)} modules are up to date")
        return
    with _explained(into):
        _write(into, {name: wanted[name] for name in stale}, gone)


def _write(into: Path, stale: Mapping[str, str], gone: Sequence[str]) -> None:
    """Write the modules ``stale``, by name, and remove those of the names ``gone``."""
    into.mkdir(parents=True, exist_ok=True)
    for name, source in stale.items():
        (into / name).write_text(source, "utf-8")
        click.echo(f"{into / name} written")
    for name in gone:
        (into / name).unlink()
        click.echo(f"{into / name} removed: none of its event types may be published any longer")
    if not (into / "__init__.py").exists():
        (into / "__init__.py").touch()


@contextmanager
def _explained(into: Path) -> Iterator[None]:
    """Turn errors of the file system into one that says which file is in the way."""
    try:
        yield
    except OSError as error:
        message = f"--into: {error.filename or into} cannot be read or written: {error.strerror}"
        raise PrerequisiteError(message) from error
