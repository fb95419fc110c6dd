"""Checks the request parameters of dead letters, redrives and replays, and makes selections from them. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from control_api.http.declared import unknown_parameter
from control_api.redrive.dead_letter import Place
from control_api.redrive.expression import Expression
from control_api.redrive.pace import DEFAULT_RATE, MAX_RATE, MIN_RATE
from control_api.redrive.selection import Selection
from eventstreams.filters import MAX_LENGTH
from eventstreams.http import CASE_COUNTS, RefusedError
from eventstreams.reasons import DeadReason
from eventstreams.sids import SidKind, has_capitals, is_sid
from eventstreams.times import parse_rfc3339, to_ms

FILTERS: Final = ("SubscriptionSid", "Reason", "Code", "Type", "EventId", "After", "Before", "Filter")
REDRIVE: Final = (*FILTERS, "DeadLetterId", "Rate")
REPLAY: Final = ("SubscriptionSid", "Type", "EventId", "After", "Before", "Filter", "Rate")
_MAX_VALUES: Final = 1000  # per parameter: they fit into a job's record, and for more a time range is better
_MAX_LENGTH: Final = 255  # characters of an id or a type


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a request. Unknown ones are refused: a misspelt filter must not select everything."""

    values: Sequence[tuple[str, str]]

    @classmethod
    def check(cls, values: Iterable[tuple[str, str]], known: Sequence[str]) -> "Parameters":
        """Check that all names in ``values`` are ``known``; empty values are left out.

        Raises:
            RefusedError: 400: a name is unknown, or has too many values, or a value is too long.
        """
        listed = [(name, value) for name, value in values if value]
        for name, value in listed:
            if name not in known:
                raise unknown_parameter(name, known)
            longest = MAX_LENGTH if name == "Filter" else _MAX_LENGTH
            if len(value) > longest:
                raise RefusedError(f"A value of {name} has more than {longest} characters")
        names = [name for name, _ in listed]
        if crowded := next((name for name in set(names) if names.count(name) > _MAX_VALUES), None):
            raise RefusedError(f"{crowded} has more than {_MAX_VALUES} values: use After and Before to select them")
        return cls(listed)

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(value for key, value in self.values if key == name)

    def one(self, name: str) -> str | None:
        """The value of ``name``; None if it is missing.

        Raises:
            RefusedError: there are several.
        """
        found = self.all(name)
        if len(found) > 1:
            raise RefusedError(f"{name} can only be given once")
        return found[0] if found else None

    def selection(self, account_sid: str, *, of_dead_letters: bool) -> Selection:
        """The selection of the account's dead letters or accepted events.

        Raises:
            RefusedError: 400: a value is malformed; says what is expected.
        """
        after_ms, before_ms = self._time("After"), self._time("Before")
        if after_ms is not None and before_ms is not None and after_ms >= before_ms:
            raise RefusedError("After must be earlier than Before")
        return Selection(
            account_sid=account_sid,
            subscription_sid=self._subscription_sid(),
            types=self.all("Type"),
            event_ids=self.all("EventId"),
            reasons=tuple(_reason(each) for each in self.all("Reason")),
            codes=tuple(_code(each) for each in self.all("Code")),
            dead_letter_ids=tuple(_dead_letter_id(each) for each in self.all("DeadLetterId")),
            after_ms=after_ms,
            before_ms=before_ms,
            expression=self._expression(of_dead_letters=of_dead_letters),
        )

    def rate(self) -> int:
        """``Rate`` in events a second.

        Raises:
            RefusedError: 400: it is out of bounds.
        """
        text = self.one("Rate") or str(DEFAULT_RATE)
        if not _is_number(text) or not MIN_RATE <= int(text) <= MAX_RATE:
            raise RefusedError(f"Rate must be an integer from {MIN_RATE} to {MAX_RATE}, in events per second")
        return int(text)

    def _subscription_sid(self) -> str | None:
        sid = self.one("SubscriptionSid")
        if sid is not None and not is_sid(sid, SidKind.SUBSCRIPTION):
            raise RefusedError("SubscriptionSid is malformed: it must be DF and 32 hexadecimal digits")
        if sid is not None and has_capitals(sid):
            raise RefusedError(f"SubscriptionSid is malformed: {CASE_COUNTS}")
        return sid

    def _expression(self, *, of_dead_letters: bool) -> str | None:
        text = self.one("Filter")
        if text is not None:
            try:
                Expression(text, of_dead_letters=of_dead_letters)
            except ValueError as error:
                raise RefusedError(f"Filter must be CEL such as status >= 500 && code == 91306: {error}") from None
        return text

    def _time(self, name: str) -> int | None:
        text = self.one(name)
        try:
            return None if text is None else max(to_ms(parse_rfc3339(text)), 0)
        except (ValueError, OverflowError):
            raise RefusedError(f"{name} must be a time such as 2026-03-29T04:00:00Z") from None


def _reason(text: str) -> str:
    if text not in list(DeadReason):
        raise RefusedError(f"Reason must be one of {', '.join(DeadReason)}")
    return text


def _code(text: str) -> int:
    if not _is_number(text):
        raise RefusedError("Code must be an integer such as 91305")
    return int(text)


def _dead_letter_id(text: str) -> str:
    if Place.parse(text) is None:
        raise RefusedError("DeadLetterId must be the id of a dead letter, such as webhook.0.1234")
    return text


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9  # noqa: PLR2004 - fits into 32 bits
