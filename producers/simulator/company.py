"""A company that the stories are about: one account with everything it owns, the same in every simulation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random
from typing import Final, Self

_NUMBERS: Final = 4
_PEOPLE: Final = ("alice", "bob", "carol", "dan", "erin", "frank", "grace", "heidi")


@dataclass(frozen=True, slots=True)
class Place:
    """The location of a phone number, as spelled by the products."""

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
    """A phone number of the range reserved for fiction (555-0100 to 555-0199), and its location."""

    number: str
    place: Place

    @classmethod
    def some(cls, rng: Random) -> Self:
        place = rng.choice(PLACES)
        return cls(f"+1{place.area_code}55501{rng.randrange(100):02}", place)


@dataclass(frozen=True, slots=True)
class Company:
    """One account. What it owns depends only on its SID: the seed decides what happens, not to whom.

    Attributes:
        phones: Its phone numbers.
        people: First names of its employees.
    """

    account_sid: str
    phones: Sequence[Phone]
    people: Sequence[str] = _PEOPLE
    _owned: dict[tuple[str, str], str] = field(default_factory=dict)  # bounded by the names used in stories

    @classmethod
    def found(cls, account_sid: str) -> Self:
        rng = Random(account_sid)  # noqa: S311 - for the same numbers for the same account, not for secrecy
        return cls(account_sid, [Phone.some(rng) for _ in range(_NUMBERS)])

    def sid(self, prefix: str, name: str = "") -> str:
        """The identifier of something that the company owns; always the same for the same name."""
        found = self._owned.get((prefix, name))
        if found is None:
            made = blake2b(f"{self.account_sid} {prefix} {name}".encode(), digest_size=16).hexdigest()
            found = self._owned[prefix, name] = f"{prefix}{made}"
        return found
