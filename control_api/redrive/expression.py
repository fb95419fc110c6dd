"""Filters in the Common Expression Language (CEL), over what the headers of a dead letter or an event say. Pure.

Only comparisons, tests of texts and logic are let in. Without the macros (``all``, ``map`` …), which can be nested into
work without end, and without regular expressions, an expression takes time in proportion to its length.
"""

from collections.abc import Mapping
from typing import Final

import cel

from control_api.redrive.dead_letter import DeadLetter
from eventstreams import headers as names
from eventstreams.headers import Headers

MAX_LENGTH: Final = 1000  # characters: a page of comparisons; 10 µs for three of them

Value = str | int

_EVENT: Final[Mapping[str, str]] = {
    "event_id": names.ID,
    "type": names.TYPE,
    "source": names.SOURCE,
    "subject": names.SUBJECT,
    "partition_key": names.PARTITION_KEY,
}
_LETTER: Final[Mapping[str, Value]] = {
    "subscription_sid": "",
    "sink_type": "",
    "reason": "",
    "detail": "",
    "answer": "",
    "code": 0,
    "status": 0,
    "attempts": 0,
}
_OPERATORS: Final = frozenset(
    {"!_", "_&&_", "_||_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_?_:_", "@in", "-_"}
)
_FUNCTIONS: Final = frozenset({"contains", "startsWith", "endsWith", "size"})
# What the library raises for expressions that are wrong.
_WRONG: Final = (ValueError, TypeError, RuntimeError, ArithmeticError, LookupError)


class Expression:
    """A compiled filter. What a record does not say is an empty text, or 0."""

    def __init__(self, text: str, *, of_letters: bool) -> None:
        """Compile ``text``.

        Args:
            text: In CEL.
            of_letters: It may use what only dead letters say, such as ``reason``.

        Raises:
            ValueError: it is no CEL, or uses what is not let in, or is not true or false; says which.
        """
        self._of_letters = of_letters
        if len(text) > MAX_LENGTH:
            raise ValueError(f"it has more than {MAX_LENGTH} characters")
        try:
            self._program = cel.compile(text)
        except _WRONG as error:
            raise ValueError(str(error).splitlines()[0]) from None
        self._check()

    def takes_letter(self, letter: DeadLetter) -> bool:
        values: dict[str, Value] = _event_values(letter.record.headers)
        values |= {
            "subscription_sid": letter.subscription_sid or "",
            "sink_type": letter.place.sink_type,
            "reason": letter.reason or "",
            "detail": letter.detail or "",
            "answer": letter.answer or "",
            "code": letter.code or 0,
            "status": letter.status or 0,
            "attempts": letter.attempts or 0,
        }
        return self._run(values) is True

    def takes_event(self, headers: Headers) -> bool:
        return self._run(_event_values(headers)) is True

    def _check(self) -> None:
        known: dict[str, Value] = {**dict.fromkeys(_EVENT, ""), **(_LETTER if self._of_letters else {})}
        if strange := sorted(set(self._program.variables()) - set(known)):
            raise ValueError(f"there is no {strange[0]}, only {', '.join(known)}")
        if forbidden := sorted(set(self._program.functions()) - _OPERATORS - _FUNCTIONS):
            raise ValueError(
                f"{forbidden[0]} is not let in, only comparisons, in, logic, {', '.join(sorted(_FUNCTIONS))}"
            )
        tried = self._run(known)
        if isinstance(tried, Exception):
            raise ValueError(str(tried).splitlines()[0])  # noqa: TRY004 - the caller asks for what is wrong
        if not isinstance(tried, bool):
            raise ValueError("it must be true or false")  # noqa: TRY004 - as above

    def _run(self, values: dict[str, Value]) -> object:
        """The result, or the exception where the expression is wrong for these values."""
        try:
            result: object = self._program.execute(values)
        except _WRONG as error:
            return error
        return result


def _event_values(headers: Headers) -> dict[str, Value]:
    found = dict(headers)
    return {name: found.get(header, b"").decode(errors="replace") for name, header in _EVENT.items()}
