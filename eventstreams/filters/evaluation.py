"""Asks filters of events, the same way in the router and wherever else it must be known what the router does."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from eventstreams import headers as names
from eventstreams.codec import Codec, CodecProblem
from eventstreams.control.filter_room import room_of
from eventstreams.filters.filter import Answer, Data, Filter, Verdict
from eventstreams.filters.language import FilterError
from eventstreams.telemetry.logging import get_logger

# Of the texts that are kept compiled: 160 MiB. What is more is compiled again when it is its turn, in up to 4 ms.
_MOST_CHARACTERS: Final = 1_000_000

_log = get_logger(__name__)


class FilterInput:
    """One event, whose value is decoded when a filter asks for it, at most once for each schema version."""

    def __init__(self, headers: Mapping[str, bytes], value: bytes | None, codec: Codec) -> None:
        self.headers = headers
        self._value = value
        self._codec = codec
        self._decoded: dict[int, Data | str] = {}

    def data(self, version: int) -> Data | str:
        """The fields as ``version`` has them, or why they cannot be read."""
        found = self._decoded.get(version)
        if found is None:
            dataschema = self.headers.get(names.DATASCHEMA, b"").decode(errors="replace")
            decoded = self._codec.decode(dataschema, self._value or b"", version=version)
            found = self._decoded[version] = decoded.detail if isinstance(decoded, CodecProblem) else decoded
        return found


class CompiledFilters:
    """Every filter that was asked lately, compiled. For one thread."""

    def __init__(self, *, most_characters: int = _MOST_CHARACTERS) -> None:
        """``most_characters``: bounds what is kept, whatever subscribers write, as ``room_of`` counts it."""
        self._most_characters = most_characters
        self._compiled: OrderedDict[str, Filter | str] = OrderedDict()  # the one that was asked last at the end
        self._characters = 0

    def __len__(self) -> int:
        return len(self._compiled)

    def ask(self, text: str, reading: FilterInput, version: int) -> Answer:
        """What the filter ``text`` makes of an event whose subscriber gets schema version ``version``."""
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
    """The filter, or why it is none: a later release may have let in what this one does not know."""
    try:
        return Filter(text)
    except FilterError as error:
        # Not the text, nor what the library says of it: it can hold anything.
        _log.warning(
            "filter.unreadable",
            characters=len(text),
            follows="every event of its subscriptions is delivered unfiltered",
        )
        return f"this release cannot read the filter: {error}"
