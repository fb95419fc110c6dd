"""Looks at each delivery: whose it is, whether it is what was published, whether it is in time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from eventstreams.verify.behaviours import Seen
from eventstreams.verify.ledger import Ledger, Tally, Wrong
from eventstreams.verify.plan import Kind, Plan, digest
from eventstreams.verify.signatures import SignatureCheck

LATE_S: Final = 10.0
"""An attempt that began before the deadline may take five seconds, and the machine as long again."""
MOST_EXAMPLES: Final = 10
_SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Finding:
    """A wrong delivery. ``event_id`` as the delivery had it; empty where there is none."""

    wrong: Wrong
    event_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What deliveries of one subscription must be.

    Attributes:
        account_sid: Whose events.
        types: Of these types.
        url: The sink's destination.
        ttl_s: No attempt begins later after the acceptance.
    """

    account_sid: str
    types: frozenset[str]
    url: str
    ttl_s: float


class Inspector:
    """Looks at what comes for one subscription and counts it."""

    def __init__(
        self,
        expected: Expected,
        signature: SignatureCheck,
        plan: Plan,
        ledger: Ledger,
        tally: Tally,
        note: Callable[[Finding], None],
    ) -> None:
        """``note`` is told the first of each kind."""
        self._expected = expected
        self._signature = signature
        self._plan = plan
        self._ledger = ledger
        self._tally = tally
        self._note = note

    def look(self, query: str, headers: Mapping[str, str], body: bytes, *, now: float) -> Seen | None:
        """What of this run is in a request; None where it is forged, or no delivery at all.

        Args:
            query: Of the requested URL. What stands before it may have been rewritten on the way.
            headers: Of the request.
            body: Of the request.
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
        """Something has come, whatever it is, and nothing may."""
        self._wrong(Wrong.FORBIDDEN, "", f"a worker has connected to {self._expected.url}")

    def _number(self, event: Mapping[str, object], now: float) -> int | None:
        """The event's number; None where it is not of this run."""
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
