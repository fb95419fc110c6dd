"""Watches whether Kafka confirms a consumer's commits; while it does not, the consumer's owner begins nothing new.

Nor does it after the process stood still, until Kafka has confirmed a commit that was sent after that: whoever was
frozen for longer than its session may have lost its partitions to others, and hears of that only later.
"""

import logging
import time
from collections.abc import Callable
from typing import Final, Protocol

from eventstreams.times import elapsed_s

CONFIRM_S: Final = 3.0  # longer than a change of the group's coordinator takes, shorter than a session

_LOG: Final = logging.getLogger(__name__)


class Held(Protocol):
    """What a ``Hold`` notifies; see ``PartitionOwner.hold``."""

    def hold(self, *, held: bool) -> None: ...


class Hold:
    """Holds ``owner`` once a commit has been unconfirmed for ``CONFIRM_S`` seconds, until one is confirmed.

    Also holds it once ``look`` was not called for ``still_s`` seconds.
    """

    def __init__(self, owner: Held, *, still_s: float, clock: Callable[[], float] = elapsed_s) -> None:
        """``still_s``: less than a session, so that who was still for a shorter time surely kept its partitions."""
        self._owner = owner
        self._still_s = still_s
        self._clock = clock
        self._looked_at = clock()
        self._unconfirmed_since: float | None = None
        self._last = 0  # number of the last commit
        self._counts_from = 0  # earlier ones end no hold: they were sent before the process stood still
        self.is_on = False

    def may_begin(self) -> bool:
        """Return whether new work may begin at this moment. Call this before each piece of work."""
        if self.is_on:
            return False
        if self._clock() - self._looked_at < self._still_s:
            return True
        self._stood_still()
        return False

    def committing(self) -> int:
        """Note that a commit is sent; returns its number, for ``confirmed``."""
        self._unconfirmed_since = self._unconfirmed_since or time.monotonic()
        self._last += 1
        return self._last

    def confirmed(self, number: int) -> None:
        """Note that Kafka confirmed a commit: the one with ``number``, or a later one."""
        if number >= self._counts_from:
            self.end()

    def end(self) -> None:
        """Note that no commit is outstanding any more."""
        self._unconfirmed_since = None
        self._counts_from = 0
        self._turn(on=False)

    def look(self) -> None:
        """Hold the owner if a commit has been unconfirmed for too long. Call this regularly."""
        if self._clock() - self._looked_at >= self._still_s:  # even if it is on: an answer may be from before
            self._stood_still()
        self._looked_at = self._clock()
        if self._unconfirmed_since is not None and time.monotonic() - self._unconfirmed_since > CONFIRM_S:
            self._turn(on=True)

    def _stood_still(self) -> None:
        self._counts_from = self._last + 1
        now = self._clock()
        _LOG.warning("consumer.stood_still: for %.1f s: others may have its partitions", now - self._looked_at)
        self._looked_at = now
        self._turn(on=True)

    def _turn(self, *, on: bool) -> None:
        if on is self.is_on:
            return
        self.is_on = on
        if not on:
            _LOG.warning("consumer.goes_on: new work is started again")
        elif not self._counts_from:
            _LOG.warning(
                "consumer.held: Kafka has confirmed no offset for %g s: no new work is started until it does", CONFIRM_S
            )
        self._owner.hold(held=on)
