"""Applies filters to events, in the same way in the router and wherever its decisions must be predicted."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from eventstreams import headers as names
from eventstreams.codec import Codec, CodecProblem
from eventstreams.control.filter_room import room_of
from eventstreams.filters.filter import Answer, Data, Filter, Verdict
from eventstreams.filters.language import FilterError
from eventstreams.telemetry.logging import get_logger

# Total length of the filters that are kept compiled: 160 MB. The others are recompiled when needed, in up to 4 ms.
_MOST_CHARACTERS: Final = 1_000_000

_log = get_logger(__name__)


class FilterInput:
    """One event, whose value is decoded when a filter needs it, at most once for each schema version."""

    def __init__(self, headers: Mapping[str, bytes], value: bytes | None, codec: Codec) -> None:
        self.headers = headers
        self._value = value
        self._codec = codec
        self._decoded: dict[int, Data | str] = {}

    def data(self, version: int) -> Data | str:
        """The data in schema version ``version``, or why it cannot be read."""
        found = self._decoded.get(version)
        if found is None:
            dataschema = self.headers.get(names.DATASCHEMA, b"").decode(errors="replace")
            decoded = self._codec.decode(dataschema, self._value or b"", version=version)
            found = self._decoded[version] = decoded.detail if isinstance(decoded, CodecProblem) else decoded
        return found


class CompiledFilters:
    """A cache of recently used filters, compiled. For one thread."""

    def __init__(self, *, most_characters: int = _MOST_CHARACTERS) -> None:
        """``most_characters``: bounds the cache, counted as by ``room_of``, whatever subscribers write."""
        self._most_characters = most_characters
        self._compiled: OrderedDict[str, Filter | str] = OrderedDict()  # the most recently used last
        self._characters = 0

    def __len__(self) -> int:
        return len(self._compiled)

    def ask(self, text: str, reading: FilterInput, version: int) -> Answer:
        """Apply the filter ``text`` to an event whose subscriber gets schema version ``version``."""
        found = self._found(text)
        if isinstance(found, Filter):
            return found.ask(reading.headers, lambda: reading.data(version))
        return Answer(Verdict.UNFILTERED, found)

    def _found(self, text: str) -> Filter | str:
        found = self._compiled.get(text)
        if found is not None:
            self._compiled.move_to_end(text)
            return found
        found = self._compiled[text] = _compile(text)
        self._characters += room_of(text)
        while self._characters > self._most_characters and len(self._compiled) > 1:
            oldest, _ = self._compiled.popitem(last=False)
            self._characters -= room_of(oldest)
        return found


def _compile(text: str) -> Filter | str:
    """The filter, or why it cannot be compiled: a later release may have accepted what this one does not know."""
    try:
        return Filter(text)
    except FilterError as error:
        # Log neither the text nor the library's error about it, as it may contain anything.
        _log.warning(
            "filter.unreadable",
            characters=len(text),
            follows="every event of its subscriptions is delivered unfiltered",
        )
        return f"this release cannot read the filter: {error}"
