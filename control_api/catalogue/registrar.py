"""Registers the catalogue's schemas with a schema registry, in the background: nothing waits for it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from eventstreams.catalog import Catalog
from eventstreams.schema_registry import Refused, Registered, RegistryError, SchemaRegistry, register
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger

# Delays after a registry did not answer; the last repeats, as it may become reachable at any time.
_RETRY_AFTER_S: Final[Sequence[float]] = (5, 30, 120, 600)

_log = get_logger(__name__)


@asynccontextmanager
async def registering(settings: Settings, catalog: Catalog) -> AsyncIterator[None]:
    """Register in the background inside the block, if the settings name a registry."""
    registry = SchemaRegistry.of(settings)
    if registry is None:
        yield
        return
    task = asyncio.create_task(_register(registry, catalog), name="registrar")
    task.add_done_callback(_ended)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _register(registry: SchemaRegistry, catalog: Catalog) -> None:
    async with registry:
        attempt = 0
        while True:
            try:
                outcomes = await register(registry, list(catalog.schemas.values()))
            except RegistryError as error:
                delay_s = _RETRY_AFTER_S[min(attempt, len(_RETRY_AFTER_S) - 1)]
                _log.warning("schemas.not_registered", reason=str(error), retry_in_s=delay_s)
                attempt += 1
                await asyncio.sleep(delay_s)
                continue
            for outcome in outcomes:
                if isinstance(outcome, Refused):
                    _log.warning("schema.refused", schema=outcome.schema_id, reason=outcome.reason)
            registered = [outcome for outcome in outcomes if isinstance(outcome, Registered)]
            added = sum(len(outcome.added) for outcome in registered)
            _log.info("schemas.registered", schemas=len(registered), versions_added=added)
            return


def _ended(task: "asyncio.Task[None]") -> None:
    """Registration is optional, so even a bug in it does not end the process."""
    if not task.cancelled() and (error := task.exception()):
        _log.error("registrar.failed", exc_info=error)
