"""The events that a run publishes, and the purpose of each: everything follows from an event's number. Pure."""

import hashlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import orjson

from eventstreams.times import rfc3339_ms

TYPES: Final = (
    "com.twilio.messaging.message.sent",
    "com.twilio.messaging.message.delivered",
    "com.twilio.messaging.message.read",
)
"""Every subscription gets these."""
PARTIAL_TYPES: Final = (
    "com.twilio.messaging.message.queued",
    "com.twilio.messaging.message.undelivered",
    "com.twilio.messaging.message.failed",
)
"""Each subscription gets one of these; events of the others are not for it."""
_ORDINARY: Final = 50  # batches, followed by one of each other kind
_LARGEST_BATCH: Final = 100  # the size of a webhook's batch
_BATCHES_AT_LEAST: Final = 60  # so that every kind occurs
_TEXTS: Final = ("plain", "Grüße an Ängström", "价格 ¥", '"quoted" \\ and\nbroken', "🙂 " * 5, "")
_STATUSES: Final = ("QUEUED", "SENT", "DELIVERED", "UNDELIVERED", "FAILED", "READ")
_SAFE: Final = 1 << 53  # many JSON parsers cannot represent larger integers


class Kind(StrEnum):
    """The purpose of an event.

    ``ordinary``: for every subscription. ``partial``: only for those that subscribe to its type. ``other_account``: of
    another account, so for no subscription. ``invalid``: in a batch that the gateway must refuse as a whole.
    """

    ORDINARY = "ordinary"
    PARTIAL = "partial"
    OTHER_ACCOUNT = "stranger"
    INVALID = "invalid"


_CYCLE: Final = (*[Kind.ORDINARY] * _ORDINARY, Kind.PARTIAL, Kind.OTHER_ACCOUNT, Kind.INVALID)


@dataclass(frozen=True, slots=True)
class Batch:
    """One request to the gateway: the events from ``first`` up to but excluding ``end``."""

    number: int
    kind: Kind
    first: int
    end: int

    @property
    def numbers(self) -> range:
        return range(self.first, self.end)


@dataclass(frozen=True, slots=True)
class Plan:
    """All events of a run.

    Attributes:
        run: Prefix of their ids, unique to the run: letters and digits.
        ordinary: How many of them are for every subscription.
        size: Events per batch.
        with_other_account: Whether there is another account to publish as.
    """

    run: str
    ordinary: int
    size: int
    with_other_account: bool

    @classmethod
    def of(cls, run: str, ordinary: int, *, with_other_account: bool) -> "Plan":
        """A plan with batches as large as is useful."""
        size = max(1, min(_LARGEST_BATCH, ordinary // _BATCHES_AT_LEAST))
        return cls(run, ordinary, size, with_other_account)

    @property
    def batch_count(self) -> int:
        """The number of batches, in whole cycles so that every kind occurs."""
        cycles = -(-self.ordinary // (self.size * _ORDINARY))
        return cycles * len(_CYCLE)

    @property
    def event_count(self) -> int:
        """The bound of event numbers, which start at 0; not every number is published."""
        return self.batch_count * self.size

    def batches(self) -> Iterator[Batch]:
        """The batches to publish, in order."""
        left = self.ordinary
        for number in range(self.batch_count):
            kind, first = _CYCLE[number % len(_CYCLE)], number * self.size
            count = self.size
            if kind is Kind.ORDINARY:
                count = min(count, left)
                left -= count
            if count and (kind is not Kind.OTHER_ACCOUNT or self.with_other_account):
                yield Batch(number, kind, first, first + count)

    def kind_of(self, number: int) -> Kind:
        """The kind of the event, whether or not it is published."""
        return _CYCLE[number // self.size % len(_CYCLE)]

    def type_of(self, number: int) -> str:
        if self.kind_of(number) is Kind.PARTIAL:
            return PARTIAL_TYPES[number // (self.size * len(_CYCLE)) % len(PARTIAL_TYPES)]
        return TYPES[number % len(TYPES)]

    def id_of(self, number: int) -> str:
        return f"{self.run}-{number:08d}"

    def number_of(self, event_id: object) -> int | None:
        """The number of the event with that id; None if it does not belong to this run."""
        if not isinstance(event_id, str):
            return None
        run, _, digits = event_id.partition("-")
        if run != self.run or not (digits.isascii() and digits.isdecimal()):
            return None
        number = int(digits)
        return number if number < self.event_count and self.id_of(number) == event_id else None


def types_for(position: int) -> tuple[str, ...]:
    """The event types of the subscription at ``position``."""
    return (*TYPES, PARTIAL_TYPES[position % len(PARTIAL_TYPES)])


def make_event(plan: Plan, number: int, account_sid: str, at: datetime) -> dict[str, object]:
    """The event to publish: a valid CloudEvent whose data varies in form as far as its schema allows."""
    draw = random.Random(f"{plan.run}{number}")  # noqa: S311 - no secret
    sid = f"SM{draw.getrandbits(128):032x}"
    data: dict[str, object] = {
        "messageSid": sid,
        "accountSid": account_sid,
        "eventName": plan.type_of(number),
        "timestamp": rfc3339_ms(at),
        "messageStatus": draw.choice(_STATUSES),
        "apiVersion": "2010-04-01",
        "from": "+15005550006",
        "to": f"+1500555{number % 10_000:04d}",
        "body": f"{draw.choice(_TEXTS)} {number}",
        "tags": {f"tag {name}": draw.choice(_TEXTS) for name in range(draw.randrange(4))},
    }
    if draw.random() < 0.5:  # noqa: PLR2004 - one of two
        data["errorCode"] = draw.randrange(-_SAFE, _SAFE)
    return {
        "specversion": "1.0",
        "id": plan.id_of(number),
        "type": plan.type_of(number),
        "source": f"/2010-04-01/Accounts/{account_sid}/Messages/{sid}.json",
        "time": rfc3339_ms(at),
        "data": data,
    }


def spoil(event: dict[str, object]) -> dict[str, object]:
    """``event`` without a field that its schema requires."""
    data = event["data"]
    assert isinstance(data, dict)
    return {**event, "data": {name: value for name, value in data.items() if name != "messageSid"}}


def digest(event: Mapping[str, object]) -> int:
    """A 64-bit hash of everything that must arrive as it was published; never 0."""
    told = [event.get(name) for name in ("specversion", "id", "type", "source", "time", "data")]
    packed = orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest()) or 1
