"""Selects the dead letters or accepted events of a list, a preview or a job. Pure."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace

from control_api.redrive.dead_letter import DeadLetter, Place
from control_api.redrive.expression import Expression
from eventstreams import headers as names
from eventstreams.kafka.ranges import Range
from eventstreams.kafka.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is selected; an empty field means any.

    Attributes:
        account_sid: Never empty: nobody may see or move what belongs to another account.
        subscription_sid: The subscription; for a replay, the one that the events go to.
        types: Event types; for a replay never empty, as they are those of its subscription.
        event_ids: Ids of events.
        reasons: Reasons of dead letters.
        codes: Error codes of dead letters.
        dead_letter_ids: Ids of dead letters.
        after_ms: Died, or for a replay accepted, at this time or later.
        before_ms: Before this time.
        expression: A filter in CEL; see ``Expression``.
    """

    account_sid: str
    subscription_sid: str | None = None
    types: tuple[str, ...] = ()
    event_ids: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    dead_letter_ids: tuple[str, ...] = ()
    after_ms: int | None = None
    before_ms: int | None = None
    expression: str | None = None

    @property
    def takes_all(self) -> bool:
        """Whether nothing but the account is given."""
        return self == Selection(account_sid=self.account_sid)


class Selector:
    """A selection, prepared for many records. Times are not checked: they determine the ranges that are read."""

    def __init__(self, selection: Selection, *, of_dead_letters: bool) -> None:
        self._account_sid = selection.account_sid
        self._subscription_sid = selection.subscription_sid
        self._types = frozenset(selection.types)
        self._event_ids = frozenset(selection.event_ids)
        self._reasons = frozenset(selection.reasons)
        self._codes = frozenset(selection.codes)
        self._ids = frozenset(selection.dead_letter_ids)
        text = selection.expression
        self._expression = None if text is None else Expression(text, of_dead_letters=of_dead_letters)

    def takes_dead_letter(self, dead_letter: DeadLetter) -> bool:
        return (
            dead_letter.account_sid == self._account_sid
            and self._subscription_sid in (None, dead_letter.subscription_sid)
            and (not self._types or dead_letter.event_type in self._types)
            and (not self._event_ids or dead_letter.event_id in self._event_ids)
            and (not self._reasons or dead_letter.reason in self._reasons)
            and (not self._codes or dead_letter.code in self._codes)
            and (not self._ids or str(dead_letter.place) in self._ids)
            and (self._expression is None or self._expression.takes_dead_letter(dead_letter))
        )

    def takes_event(self, record: Record, accounts: Container[str] | None = None) -> bool:
        """Whether a record of the events topic is selected; never one that a router would refuse as malformed.

        ``accounts``: the accounts whose events are taken; None: only the selection's.
        """
        headers = dict(record.headers)
        account_sid = headers.get(names.ACCOUNT, b"").decode(errors="replace")
        return (
            (account_sid == self._account_sid if accounts is None else account_sid in accounts)
            and headers.get(names.TYPE, b"").decode(errors="replace") in self._types
            and (not self._event_ids or headers.get(names.ID, b"").decode(errors="replace") in self._event_ids)
            and names.missing(headers) is None
            and (self._expression is None or self._expression.takes_event(record.headers))
        )


def narrow(whole: Range, sink_type: str, ids: Sequence[str]) -> Range:
    """The part of ``whole``, a range of dead letters of ``sink_type``, that contains ``ids``; all of it without ids."""
    if not ids:
        return whole
    places = [place for text in ids if (place := Place.parse(text)) is not None]
    offsets = [each.offset for each in places if (each.sink_type, each.partition) == (sink_type, whole.partition)]
    if not offsets:
        return replace(whole, end=whole.first)
    return replace(whole, first=max(whole.first, min(offsets)), end=min(whole.end, max(offsets) + 1))
