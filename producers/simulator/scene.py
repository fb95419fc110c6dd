"""The setting of a story: a company, a clock that only the story advances, and its source of randomness."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, TypeVar

from eventstreams.events import Event
from producers.simulator.company import Company, Phone

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_Option = TypeVar("_Option")


class Scene:
    """What a story is made with. Everything random must come from here, so that the same seed gives the same story."""

    __slots__ = ("_now_ms", "_stamp", "_time", "company", "rng")

    def __init__(self, company: Company, rng: Random, now_ms: int) -> None:
        self.company = company
        self.rng = rng
        self._now_ms = now_ms
        self._time: datetime | None = None
        self._stamp: str | None = None

    # -- time ------------------------------------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        """The story's time in milliseconds since the epoch."""
        return self._now_ms

    @property
    def time(self) -> datetime:
        if self._time is None:
            self._time = _EPOCH + timedelta(milliseconds=self._now_ms)
        return self._time

    @property
    def stamp(self) -> str:
        """The story's time, as ``2026-03-29T04:01:02.345Z``."""
        if self._stamp is None:
            self._stamp = self.time.isoformat(timespec="milliseconds")[:-6] + "Z"
        return self._stamp

    @property
    def stamp_s(self) -> str:
        """The story's time, as ``2026-03-29T04:01:02Z``."""
        return self.stamp[:-5] + "Z"

    def wait(self, least_s: float, most_s: float | None = None) -> None:
        """Let ``least_s`` seconds pass, or a uniformly random time between ``least_s`` and ``most_s``."""
        self._pass(least_s if most_s is None else self.rng.uniform(least_s, most_s))

    def wait_about(self, median_s: float, *, spread: float = 0.5) -> None:
        """Let a log-normally distributed time pass, as is typical of people and networks, with the given median.

        ``spread`` is the standard deviation of the logarithm: with 0.5, two of three are between 0.6 and 1.6 medians.
        """
        self._pass(median_s * self.rng.lognormvariate(0.0, spread))

    def _pass(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError(f"a story cannot go back in time by {-seconds} s")
        self._now_ms += round(seconds * 1000)
        self._time = self._stamp = None

    def aside(self) -> "Scene":
        """A scene of the same company that begins now, for something that happens in parallel: see ``together``."""
        return Scene(self.company, self.rng, self._now_ms)

    # -- dice --------------------------------------------------------------------------------------------------------

    def happens(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, options: Sequence[_Option]) -> _Option:
        return self.rng.choice(options)

    def pick_weighted(self, options: Mapping[_Option, float]) -> _Option:
        """One of ``options``, with probabilities in proportion to their numbers."""
        return self.rng.choices(tuple(options), tuple(options.values()))[0]

    def sid(self, prefix: str) -> str:
        """A new identifier, such as ``SM`` and 32 hexadecimal digits. For things the company owns: ``company.sid``."""
        return f"{prefix}{self.rng.getrandbits(128):032x}"

    def customer(self) -> Phone:
        """The phone of a customer."""
        return Phone.some(self.rng)

    # -- what happens ------------------------------------------------------------------------------------------------

    def event(
        self,
        event_type: str,
        source: str,
        data: Mapping[str, object],
        *,
        key: str | None = None,
        event_id: str | None = None,
    ) -> Event:
        """An event that happens now.

        Args:
            event_type: A type of the catalogue.
            source: REST path of the resource.
            data: Data for the newest version of the type's schema.
            key: The partition key, if it is not ``source``.
            event_id: The id, if the data contains it too; default: a new one.
        """
        return Event(
            type=event_type,
            source=source,
            account_sid=self.company.account_sid,
            data=data,
            id=event_id or f"EZ{self.rng.getrandbits(128):032x}",
            time=self.time,
            partition_key=key,
        )
