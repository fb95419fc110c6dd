"""Whether Kafka confirms what a consumer commits; while it does not, the consumer's owner begins nothing new."""

import logging
import time
from typing import Final, Protocol

CONFIRM_S: Final = 3.0  # what a new coordinator of the group takes, and more; less than a session

_LOG: Final = logging.getLogger(__name__)


class Held(Protocol):
    """Whom a ``Hold`` tells; see ``PartitionOwner.hold``."""

    def hold(self, *, held: bool) -> None: ...


class Hold:
    """Holds ``owner`` once a commit is unconfirmed for ``CONFIRM_S``, until one is confirmed."""

    def __init__(self, owner: Held) -> None:
        self._owner = owner
        self._unconfirmed_since: float | None = None
        self.is_on = False

    def committing(self) -> None:
        """A commit is on its way."""
        self._unconfirmed_since = self._unconfirmed_since or time.monotonic()

    def confirmed(self) -> None:
        """Kafka has it, or nothing waits for Kafka any more."""
        self._unconfirmed_since = None
        self._turn(on=False)

    def look(self) -> None:
        """Hold if it is time to."""
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
