"""What Kafka's ACLs deny a consumer: logged at once and then at intervals, and shown by readiness while it lasts.

The client itself reports a denial only once, even if it persists, and then waits.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from eventstreams.settings import Settings

AGAIN_S: Final = 300.0  # a line every five minutes is noticed, and does not drown the rest of the log

_LOG: Final = logging.getLogger(__name__)


class Refusals:
    """The current denials of one consumer. Thread-safe."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._principal = principal(settings)
        self._clock = clock
        self._said: dict[tuple[str, str], float] = {}  # when each was last logged, by kind and name
        self._lock = threading.Lock()

    @property
    def problem(self) -> str | None:
        """A sentence about what is denied now, the first by kind and name if several are; None if nothing is."""
        with self._lock:
            return self._sentence(*min(self._said)) if self._said else None

    @property
    def topics(self) -> set[str]:
        """The topics that may not be read now."""
        with self._lock:
            return {name for kind, name in self._said if kind == "topic"}

    def refused(self, kind: str, name: str) -> None:
        """Note that Kafka denies reading ``name``; ``kind`` is ``group`` or ``topic``. Logged if that is due."""
        now = self._clock()
        with self._lock:
            before = self._said.get((kind, name))
            is_due = before is None or now - before >= AGAIN_S
            if is_due:
                self._said[kind, name] = now
        if is_due:
            _LOG.error("kafka.refused: %s", self._sentence(kind, name))

    def allowed(self, kind: str, names: Iterable[str]) -> None:
        """Note that ``names`` can be read now, or no longer need to be."""
        for name in names:
            with self._lock:
                was_refused = self._said.pop((kind, name), None) is not None
            if was_refused:
                _LOG.warning("kafka.allowed: the %s %s is no longer refused", kind, name)

    def remind(self) -> None:
        """Log every denial again that persists and was last logged at least ``AGAIN_S`` seconds ago."""
        with self._lock:
            refused = sorted(self._said)
        for each in refused:
            self.refused(*each)

    def _sentence(self, kind: str, name: str) -> str:
        who = self._principal
        named = who if who.startswith("User:") else "User:…"
        return (
            f"Kafka does not allow {who} to read the {kind} {name}: it lacks an ACL, such as "
            f"kafka-acls.sh --add --allow-principal {named} --operation Read --{kind} {name}"
        )


def principal(settings: Settings) -> str:
    """Who we are to Kafka: the principal as an ACL names it where that is known, otherwise a description."""
    if settings.kafka_sasl == "OAUTHBEARER":
        return "the user of our OAuth token"
    if settings.kafka_sasl != "none":
        return f"User:{settings.kafka_username}"
    return "User:ANONYMOUS" if settings.kafka_tls_certificate is None else "the user of our client certificate"
