"""Subscription filters: which of the routes that match an event also let it pass."""

from collections.abc import Callable, Mapping, Sequence

from eventstreams.codec import Codec
from eventstreams.control.filter_room import room_for
from eventstreams.filters import CompiledFilters, FilterInput, Verdict
from router.planning.matcher import Route


class Filtering:
    """Evaluates the filters of routes. Only for the lane's thread."""

    def __init__(self, codec: Codec, *, tell: Callable[[Verdict], None], most_partitions: int = 5000) -> None:
        """Start with no compiled filters.

        Args:
            codec: Decodes an event's data if a filter needs it.
            tell: Called with each filter's verdict.
            most_partitions: The setting of this name, from which the API derives how many filters it accepts.

        The cache has room for a quarter more than the API accepts: the old version of a changed filter stays in it
        until it is the least recently used.
        """
        self._codec = codec
        self._tell = tell
        self._filters = CompiledFilters(most_characters=room_for(most_partitions) * 5 // 4)

    def passing(self, routes: Sequence[Route], headers: Mapping[str, bytes], value: bytes | None) -> list[Route]:
        """Return those of ``routes`` without a filter, or whose filter lets the event pass. Never raises."""
        reading = FilterInput(headers, value, self._codec)
        return [route for route in routes if route.filter is None or self._delivers(route, route.filter, reading)]

    def _delivers(self, route: Route, text: str, reading: FilterInput) -> bool:
        verdict = self._filters.ask(text, reading, route.schema_version).verdict
        self._tell(verdict)
        return verdict.delivers
