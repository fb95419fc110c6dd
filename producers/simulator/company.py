"""The company whose customers the stories are about: what it owns for as long as the simulation lasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Self

_NUMBERS: Final = 4
_WORKERS: Final = ("alice", "bob", "carol", "dan", "erin", "frank", "grace", "heidi")


@dataclass(frozen=True, slots=True)
class Worker:
    """Somebody who takes tasks."""

    sid: str
    name: str


@dataclass(frozen=True, slots=True)
class Queue:
    """Where tasks wait for a worker."""

    sid: str
    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a phone number is at home, in the spelling of the products."""

    city: str
    state: str
    zip: str
    area_code: str
    latitude: float
    longitude: float


PLACES: Final = (
    Place("SAN FRANCISCO", "CA", "94105", "415", 37.77, -122.41),
    Place("NEW YORK", "NY", "10001", "212", 40.71, -74.0),
    Place("CHICAGO", "IL", "60601", "312", 41.88, -87.63),
    Place("AUSTIN", "TX", "78701", "512", 30.27, -97.74),
)


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone number out of those that are kept for fiction (555-0100 to 555-0199), and where it is at home."""

    number: str
    place: Place

    @classmethod
    def some(cls, rng: Random) -> Self:
        place = rng.choice(PLACES)
        return cls(f"+1{place.area_code}55501{rng.randrange(100):02}", place)


@dataclass(frozen=True, slots=True)
class Company:
    """One account with its phone numbers and its contact centre."""

    account_sid: str
    phones: Sequence[Phone]
    messaging_service_sid: str
    workspace_sid: str
    workflow_sid: str
    queues: Sequence[Queue]
    workers: Sequence[Worker]

    @classmethod
    def found(cls, account_sid: str, rng: Random) -> Self:
        """A company; the same for the same state of ``rng``."""

        def new_sid(prefix: str) -> str:
            return f"{prefix}{rng.getrandbits(128):032x}"

        return cls(
            account_sid=account_sid,
            phones=[Phone.some(rng) for _ in range(_NUMBERS)],
            messaging_service_sid=new_sid("MG"),
            workspace_sid=new_sid("WS"),
            workflow_sid=new_sid("WW"),
            queues=[Queue(new_sid("WQ"), name) for name in ("Everyone", "Billing", "Support")],
            workers=[Worker(new_sid("WK"), name) for name in _WORKERS],
        )
