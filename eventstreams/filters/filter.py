"""A compiled filter, and its answer for one event. Pure; answering never raises, whatever the event is."""

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
"""An event's attributes besides its data, and the header that holds each."""

DATA: Final = "data"
ATTRIBUTE_TYPES: Final = {name: TIME if name == "time" else TEXT for name in ATTRIBUTES}

Data = Mapping[str, object]


class Verdict(StrEnum):
    """A filter's verdict on an event. All but ``excluded`` and ``undecided`` are delivered.

    ``undecided``: it needs something that the event does not have, so that it is neither true nor false.
    ``unfiltered``: the event cannot be read, or this release cannot read the filter, so that the result is unknown.
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
    """A verdict; for ``undecided`` and ``unfiltered``, ``detail`` says why."""

    verdict: Verdict
    detail: str = ""


TAKEN: Final = Answer(Verdict.TAKEN)
EXCLUDED: Final = Answer(Verdict.EXCLUDED)

_DATA: Final = in_space(DATA)
_ATTRIBUTES_ONLY: Final = Dialect(ATTRIBUTE_TYPES)
_WITH_DATA: Final = Dialect({**ATTRIBUTE_TYPES, DATA: ANYTHING})


class Filter:
    """One compiled expression, to be evaluated many times.

    It was checked against the schemas when it was created; here its types are not known, and need not be.
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
            headers: The event's headers.
            data: Returns the data in the version that the subscription gets, or why it cannot be read. Called at most
                once, and only if the filter needs it.
        """
        values = attribute_values(self._attributes, headers)
        if self.needs_data:
            fields = data()
            if isinstance(fields, str):
                return Answer(Verdict.UNFILTERED, fields)
            # Only what the expression can name, as the library copies everything that it is given.
            values[_DATA] = {name: fields[name] for name in self._words & fields.keys()}
        match self._program.run(values):
            case Broken() as why:
                return Answer(Verdict.UNFILTERED, why)
            case Unresolved() as why:
                return Answer(Verdict.UNDECIDED, why)
            case taken:
                return TAKEN if taken else EXCLUDED


def attributes_in(text: str) -> Sequence[tuple[str, str]]:
    """The attributes that ``text`` may use, as pairs of variable and header."""
    named = words(text)
    return [(in_space(name), header) for name, header in ATTRIBUTES.items() if name in named]


def attribute_values(attributes: Sequence[tuple[str, str]], headers: Mapping[str, bytes]) -> dict[str, object]:
    """The values of ``attributes``; an absent one is an empty string, or None for an absent or invalid time."""
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
        return None  # comparing it with a time fails, so that the filter is undecided
