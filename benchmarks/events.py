"""Realistic events for benchmarks: the simulator's, the same every time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.events import Event
from eventstreams.settings import Settings
from producers.encoder import EncodedEvent, EventEncoder
from producers.simulator import Scenario, simulate

ACCOUNT: Final = "AC" + "1" * 32


def events(count: int) -> Sequence[Event]:
    """Return the first ``count`` events of a company that uses every product."""
    scenario = Scenario(seed=1, accounts=[ACCOUNT], start=datetime(2026, 1, 1, tzinfo=UTC))
    return list(islice(simulate(scenario), count))


def codec() -> tuple[Catalog, Codec]:
    """Return the product's own catalogue, and a codec for it."""
    catalog = Catalog.load()
    return catalog, Codec(catalog, schema_base_url=str(Settings.model_fields["schema_base_url"].default))


def encoded(of: int | Sequence[Event]) -> Sequence[EncodedEvent]:
    """Return ``events(of)``, or the events ``of``, encoded as a producer writes them."""
    encoder = EventEncoder(*codec())
    found = [encoder.encode(event) for event in (events(of) if isinstance(of, int) else of)]
    return [each for each in found if isinstance(each, EncodedEvent)]


def average_bytes(records: Sequence[EncodedEvent]) -> str:
    """Return the average size of the records' values, as text."""
    return f"{sum(len(record.value) for record in records) / len(records):.0f} bytes of Avro each on average"
