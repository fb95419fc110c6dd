"""Registers the catalogue's schemas: one subject for each, with the schema's name and the same versions.

A registry regards equal texts as the same version. Some of our versions have the same fields, so each registered schema
is the catalogue's with an extra attribute ``version``, its number, which Avro readers ignore.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastavro.schema import parse_schema, to_parsing_canonical_form

from eventstreams.catalog import Schema, SchemaVersion
from eventstreams.schema_registry.client import RegistryError, SchemaRegistry

COMPATIBILITY: Final = "FULL_TRANSITIVE"  # what the catalogue's rules ensure: versions only add optional fields
_AT_ONCE: Final = 8  # schemas in parallel; far below what a registry can handle


@dataclass(frozen=True, slots=True)
class Registered:
    """The registry has every version of a schema; ``added`` are the new ones (those to add, in a dry run)."""

    schema_id: str
    added: Sequence[int]


@dataclass(frozen=True, slots=True)
class Refused:
    """The registry does not have every version of a schema."""

    schema_id: str
    reason: str


RegistrationOutcome = Registered | Refused


async def register(
    registry: SchemaRegistry, schemas: Sequence[Schema], *, dry_run: bool = False
) -> Sequence[RegistrationOutcome]:
    """Register ``schemas``; returns an outcome for each, in order. Versions that are already registered are unchanged.

    Args:
        registry: The registry.
        schemas: Schemas of the catalogue.
        dry_run: Change nothing; ``Registered.added`` is what would be added.

    Raises:
        RegistryError: the registry does not answer, or does not let us in. Some may be registered.
    """
    await registry.check()
    room = asyncio.Semaphore(_AT_ONCE)

    async def one(schema: Schema) -> RegistrationOutcome:
        async with room:
            try:
                return await _register(registry, schema, dry_run=dry_run)
            except RegistryError as error:
                if error.for_all:
                    raise
                return Refused(schema.id, str(error))

    tasks = [asyncio.ensure_future(one(schema)) for schema in schemas]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _register(registry: SchemaRegistry, schema: Schema, *, dry_run: bool) -> RegistrationOutcome:
    subject = schema.id
    found = await registry.versions(subject)
    if found != list(range(1, len(found) + 1)):
        return Refused(
            subject,
            f"the registry has versions {_listed(found)} of it: some were deleted, or were registered by someone else",
        )
    for version in schema.versions[: len(found)]:
        if not _same(version, await registry.schema(subject, version.version)):
            return Refused(
                subject,
                f"version {version.version} in the registry is a different schema: does the subject "
                "belong to someone else?",
            )
    missing = schema.versions[len(found) :]
    if not dry_run:
        for version in missing:
            await registry.add(subject, registered_text(version))
            numbers = list(range(1, version.version + 1))
            # Another process of ours may already have registered more.
            if (await registry.versions(subject))[: len(numbers)] != numbers:
                return Refused(
                    subject, f"the registry stored version {version.version} under a different version number"
                )
            if version.version == 1 and await registry.compatibility(subject) is None:
                await registry.set_compatibility(subject, COMPATIBILITY)
    return Registered(subject, [version.version for version in missing])


def registered_text(version: SchemaVersion) -> str:
    """The text of ``version`` that is registered."""
    return json.dumps({**json.loads(version.path.read_text("utf-8")), "version": version.version})


def _same(ours: SchemaVersion, text: str) -> bool:
    """Whether ``text`` has the fields of ``ours``; their documentation may have changed since."""
    try:
        theirs = parse_schema(json.loads(text))
    except Exception:  # noqa: BLE001 - it may be anything; what cannot be parsed is not ours
        return False
    return bool(to_parsing_canonical_form(theirs) == to_parsing_canonical_form(ours.avro))


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers)
