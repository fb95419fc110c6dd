"""Watches whether Kafka confirms a consumer's commits; while it does not, the consumer's owner begins nothing new."""

import logging
import time
from typing import Final, Protocol

CONFIRM_S: Final = 3.0  # longer than a change of the group's coordinator takes, shorter than a session

_LOG: Final = logging.getLogger(__name__)


class Held(Protocol):
    """What a ``Hold`` notifies; see ``PartitionOwner.hold``."""

    def hold(self, *, held: bool) -> None: ...


class Hold:
    """Holds ``owner`` once a commit has been unconfirmed for ``CONFIRM_S`` seconds, until one is confirmed."""

    def __init__(self, owner: Held) -> None:
        self._owner = owner
        self._unconfirmed_since: float | None = None
        self.is_on = False

    def committing(self) -> None:
        """Note that a commit was sent."""
        self._unconfirmed_since = self._unconfirmed_since or time.monotonic()

    def confirmed(self) -> None:
        """Note that Kafka confirmed a commit, or that none is outstanding any more."""
        self._unconfirmed_since = None
        self._turn(on=False)

    def look(self) -> None:
        """Hold the owner if a commit has been unconfirmed for too long. Call this regularly."""
        if self._unconfirmed_since is not None and time.monotonic() - self._unconfirmed_since > CONFIRM_S:
            self._turn(on=True)

    def _turn(self, *, on: bool) -> None:
        if on is self.is_on:
            return
        self.is_on = on
        if on:
            _LOG.warning(
                "consumer.held: Kafka has confirmed no offset for %g s: no new work is started until it does", CONFIRM_S
            )
        else:
            _LOG.warning("consumer.goes_on: Kafka confirms offsets again")
        self._owner.hold(held=on)
