"""Inspects each delivery: whose it is, whether it is what was published, whether it is in time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from eventstreams.verify.behaviours import Seen
from eventstreams.verify.ledger import Ledger, Tally, Wrong
from eventstreams.verify.plan import Kind, Plan, digest
from eventstreams.verify.signatures import SignatureCheck

LATE_S: Final = 10.0
"""Tolerance: an attempt that began before the deadline may take five seconds, and the machine as long again."""
MOST_EXAMPLES: Final = 10
_SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """A wrong delivery. ``event_id`` is the one in the delivery; empty if there is none."""

    wrong: Wrong
    event_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What the deliveries of one subscription must be like.

    Attributes:
        account_sid: The account that the events belong to.
        types: The subscribed event types.
        url: The sink's destination.
        ttl_s: For how many seconds after acceptance an attempt may begin.
    """

    account_sid: str
    types: frozenset[str]
    url: str
    ttl_s: float


class Inspector:
    """Inspects and counts what arrives for one subscription."""

    def __init__(
        self,
        expected: Expected,
        signature: SignatureCheck,
        plan: Plan,
        ledger: Ledger,
        tally: Tally,
        note: Callable[[Finding], None],
    ) -> None:
        """``note`` is called with the first findings of each kind, ``MOST_EXAMPLES`` at most."""
        self._expected = expected
        self._signature = signature
        self._plan = plan
        self._ledger = ledger
        self._tally = tally
        self._note = note

    def look(self, query: str, headers: Mapping[str, str], body: bytes, *, now: float) -> Seen | None:
        """The events of this run in a request; None if it is forged, or not a delivery at all.

        Args:
            query: Query of the requested URL; what precedes it may have been rewritten on the way.
            headers: The request's headers.
            body: The request's body.
            now: ``time.time()``.
        """
        url = f"{self._expected.url}?{query}"
        if (problem := self._signature.problem(url, headers, body)) is not None:
            self._wrong(Wrong.FORGED, "", problem)
            return None
        events = _events(body)
        if events is None:
            self._wrong(Wrong.MALFORMED, "", f"it is not an array of events: {body[:_SHOWN].decode(errors='replace')}")
            return None
        numbers, arrivals = [], []
        for event in events:
            number = self._number(event, now)
            if number is not None:
                numbers.append(number)
                arrivals.append(self._tally.arrived(number))
        return Seen(numbers, arrivals)

    def is_forbidden(self) -> None:
        """Note that something arrived, whatever it is, where nothing may."""
        self._wrong(Wrong.FORBIDDEN, "", f"a worker has connected to {self._expected.url}")

    def _number(self, event: Mapping[str, object], now: float) -> int | None:
        """The event's number; None if it is not one of this run."""
        event_id = str(event.get("id"))[:_SHOWN]
        number = self._plan.number_of(event.get("id"))
        if number is None or self._ledger.digest_of(number) == 0:
            self._wrong(Wrong.FOREIGN, event_id, f"no event with this id was published: {_short(event)}")
            return None
        for wrong, detail in self._problems(number, event, now):
            self._wrong(wrong, event_id, detail)
        return number

    def _problems(self, number: int, event: Mapping[str, object], now: float) -> Sequence[tuple[Wrong, str]]:
        found = []
        kind, type_ = self._plan.kind_of(number), self._plan.type_of(number)
        if kind is Kind.OTHER_ACCOUNT:
            found.append((Wrong.OTHER_ACCOUNT, "another account published it"))
        elif kind is Kind.INVALID:
            found.append((Wrong.INVALID, "the gateway refused it"))
        elif type_ not in self._expected.types:
            found.append((Wrong.UNWANTED, f"{type_} is not subscribed"))
        if digest(event) != self._ledger.digest_of(number):
            found.append((Wrong.ALTERED, f"it differs from the published event: {_short(event)}"))
        acknowledged = self._ledger.acknowledged_at(number)
        over = now - acknowledged - self._expected.ttl_s
        if acknowledged and over > LATE_S:
            found.append((Wrong.LATE, f"it came {over:.1f} s after its deadline"))
        return found

    def _wrong(self, wrong: Wrong, event_id: str, detail: str) -> None:
        if self._tally.wrong(wrong) <= MOST_EXAMPLES:
            self._note(Finding(wrong, event_id, detail))


def _events(body: bytes) -> Sequence[Mapping[str, object]] | None:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    is_array = isinstance(found, list) and all(isinstance(each, dict) for each in found)
    return found if is_array else None


def _short(event: Mapping[str, object]) -> str:
    return orjson.dumps(event)[:_SHOWN].decode(errors="replace")
