"""Filters over the headers of dead letters, and of accepted events that are replayed. Pure.

The language is that of subscriptions' filters.
"""

from typing import Final

from control_api.redrive.dead_letter import DeadLetter
from eventstreams.filters.filter import ATTRIBUTE_TYPES, ATTRIBUTES, attribute_values, attributes_in
from eventstreams.filters.language import INTEGER, TEXT, Dialect, FilterError, LibraryRefusal, in_space, refuse_unfit
from eventstreams.filters.refusals import in_words
from eventstreams.headers import Headers

_LETTER_TYPES: Final = {
    **dict.fromkeys(("subscription_sid", "sink_type", "reason", "detail", "answer"), TEXT),
    **dict.fromkeys(("code", "status", "attempts"), INTEGER),
}
_OF_EVENTS: Final = Dialect(ATTRIBUTE_TYPES)
_OF_LETTERS: Final = Dialect({**ATTRIBUTE_TYPES, **_LETTER_TYPES})


class Expression:
    """A compiled filter. What a record does not have is an empty text, or 0."""

    def __init__(self, text: str, *, of_dead_letters: bool) -> None:
        """Compile ``text``.

        Args:
            text: The filter in CEL.
            of_dead_letters: Whether it may use attributes that only dead letters have, such as ``reason``.

        Raises:
            FilterError: it is not CEL, uses something that is not allowed, or is not boolean; says which.
        """
        refuse_unfit(text)
        dialect = _OF_LETTERS if of_dead_letters else _OF_EVENTS
        try:
            self._program = dialect.compile(text)
        except LibraryRefusal as refusal:
            known = [*ATTRIBUTES, *(_LETTER_TYPES if of_dead_letters else ())]
            raise FilterError(in_words(refusal, known=known)) from None
        if not self._program.is_boolean:
            raise FilterError("it must evaluate to true or false: add a comparison")
        self._attributes = attributes_in(text)

    def takes_dead_letter(self, dead_letter: DeadLetter) -> bool:
        said: dict[str, object] = {
            "subscription_sid": dead_letter.subscription_sid or "",
            "sink_type": dead_letter.place.sink_type,
            "reason": dead_letter.reason or "",
            "detail": dead_letter.detail or "",
            "answer": dead_letter.answer or "",
            "code": dead_letter.code or 0,
            "status": dead_letter.status or 0,
            "attempts": dead_letter.attempts or 0,
        }
        values = attribute_values(self._attributes, dict(dead_letter.record.headers))
        return self._program.run({**values, **{in_space(name): each for name, each in said.items()}}) is True

    def takes_event(self, headers: Headers) -> bool:
        return self._program.run(attribute_values(self._attributes, dict(headers))) is True
