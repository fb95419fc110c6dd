"""A filter that was compiled, and its answer for one event. Pure; an answer never raises, whatever the event is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from eventstreams import headers as names
from eventstreams.filters.language import (
    ANYTHING,
    TEXT,
    TIME,
    Broken,
    Dialect,
    FilterError,
    LibraryRefusal,
    Unresolved,
    in_space,
    refuse_unfit,
    words,
)
from eventstreams.times import parse_rfc3339

ATTRIBUTES: Final[Mapping[str, str]] = {
    "id": names.ID,
    "type": names.TYPE,
    "source": names.SOURCE,
    "subject": names.SUBJECT,
    "time": names.TIME,
    "dataschema": names.DATASCHEMA,
    "accountsid": names.ACCOUNT,
    "partitionkey": names.PARTITION_KEY,
}
"""What there is of an event besides its data, and the header that says it."""

DATA: Final = "data"
ATTRIBUTE_TYPES: Final = {name: TIME if name == "time" else TEXT for name in ATTRIBUTES}

Data = Mapping[str, object]


class Verdict(StrEnum):
    """What a filter makes of an event. All but ``excluded`` and ``undecided`` are delivered.

    ``undecided``: it asks for what this event does not have, so that it evaluates to neither true nor false.
    ``unfiltered``: the event cannot be read, or this release not the filter, so that nobody can tell.
    """

    TAKEN = "taken"
    EXCLUDED = "excluded"
    UNDECIDED = "undecided"
    UNFILTERED = "unfiltered"

    @property
    def delivers(self) -> bool:
        return self in {Verdict.TAKEN, Verdict.UNFILTERED}


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict; ``detail`` is why, of ``undecided`` and ``unfiltered``."""

    verdict: Verdict
    detail: str = ""


TAKEN: Final = Answer(Verdict.TAKEN)
EXCLUDED: Final = Answer(Verdict.EXCLUDED)

_DATA: Final = in_space(DATA)
_ATTRIBUTES_ONLY: Final = Dialect(ATTRIBUTE_TYPES)
_WITH_DATA: Final = Dialect({**ATTRIBUTE_TYPES, DATA: ANYTHING})


class Filter:
    """One expression, ready to be asked often.

    It was checked against the schemas when it was made; here its types are not known, and need not be.
    """

    def __init__(self, text: str) -> None:
        """Compile ``text``.

        Raises:
            FilterError: this release cannot read it.
        """
        refuse_unfit(text)
        self._words = words(text)
        self._attributes = attributes_in(text)
        try:
            self._program = _ATTRIBUTES_ONLY.compile(text)
            self.needs_data = False
        except LibraryRefusal:
            try:
                self._program = _WITH_DATA.compile(text)
            except LibraryRefusal as refusal:
                raise FilterError(str(refusal).partition("\n")[0]) from None
            self.needs_data = True
        if not self._program.may_be_boolean:
            raise FilterError("it evaluates to neither true nor false")

    def ask(self, headers: Mapping[str, bytes], data: Callable[[], Data | str]) -> Answer:
        """Whether an event is taken.

        Args:
            headers: The event's.
            data: Asked at most once, and only if the filter is about the data: its fields in the version that the
                subscription gets, or why they cannot be read.
        """
        values = attribute_values(self._attributes, headers)
        if self.needs_data:
            fields = data()
            if isinstance(fields, str):
                return Answer(Verdict.UNFILTERED, fields)
            # Only what the expression can name: the library copies all that it is given.
            values[_DATA] = {name: fields[name] for name in self._words & fields.keys()}
        match self._program.run(values):
            case Broken() as why:
                return Answer(Verdict.UNFILTERED, why)
            case Unresolved() as why:
                return Answer(Verdict.UNDECIDED, why)
            case taken:
                return TAKEN if taken else EXCLUDED


def attributes_in(text: str) -> Sequence[tuple[str, str]]:
    """The attributes that ``text`` can be about, as pairs of variable and header."""
    named = words(text)
    return [(in_space(name), header) for name, header in ATTRIBUTES.items() if name in named]


def attribute_values(attributes: Sequence[tuple[str, str]], headers: Mapping[str, bytes]) -> dict[str, object]:
    """The values of ``attributes``; what is absent is an empty text."""
    return {
        variable: _time(headers.get(header)) if header == names.TIME else _text(headers.get(header))
        for variable, header in attributes
    }


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode(errors="replace")


def _time(value: bytes | None) -> datetime | None:
    try:
        return parse_rfc3339(_text(value))
    except (ValueError, OverflowError):
        return None  # compares with no time, so that a filter is undecided
