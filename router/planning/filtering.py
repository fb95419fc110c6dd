"""The filters of subscriptions: which of the routes that match an event it really takes."""

from collections.abc import Callable, Mapping, Sequence

from eventstreams.codec import Codec
from eventstreams.control.filter_room import room_for
from eventstreams.filters import CompiledFilters, FilterInput, Verdict
from router.planning.matcher import Route


class Filtering:
    """Asks the filters of routes. For the lane's thread alone."""

    def __init__(self, codec: Codec, *, tell: Callable[[Verdict], None], most_partitions: int = 5000) -> None:
        """``tell`` hears each filter's verdict; ``most_partitions``: as the setting, by which the API bounds filters.

        There is room for a quarter more than the API lets subscribers write: what a filter was before it was changed
        is kept until it is the one that nobody has asked for longest.
        """
        self._codec = codec
        self._tell = tell
        self._filters = CompiledFilters(most_characters=room_for(most_partitions) * 5 // 4)

    def passing(self, routes: Sequence[Route], headers: Mapping[str, bytes], value: bytes | None) -> list[Route]:
        """Those of ``routes`` that have no filter, or whose filter does not keep the event back. Never raises."""
        reading = FilterInput(headers, value, self._codec)
        return [route for route in routes if route.filter is None or self._delivers(route, route.filter, reading)]

    def _delivers(self, route: Route, text: str, reading: FilterInput) -> bool:
        verdict = self._filters.ask(text, reading, route.schema_version).verdict
        self._tell(verdict)
        return verdict.delivers
