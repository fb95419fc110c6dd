"""What Kafka's ACLs do not allow a consumer: said at once and then seldom, and shown by readiness while it lasts.

The client itself says such a thing once, whatever becomes of it, and waits.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from eventstreams.settings import Settings

AGAIN_S: Final = 300.0  # five lines in a log of half an hour are seen, and hide nothing

_LOG: Final = logging.getLogger(__name__)


class Refusals:
    """Of one consumer. May be told, and asked, on any thread."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._principal = principal(settings)
        self._clock = clock
        self._said: dict[tuple[str, str], float] = {}  # when, by kind and name
        self._lock = threading.Lock()

    @property
    def problem(self) -> str | None:
        """What is refused now; None: nothing. Of several topics the first by name."""
        with self._lock:
            return self._sentence(*min(self._said)) if self._said else None

    @property
    def topics(self) -> set[str]:
        """Those that may not be read."""
        with self._lock:
            return {name for kind, name in self._said if kind == "topic"}

    def refused(self, kind: str, name: str) -> None:
        """Kafka does not allow to read the ``group`` or ``topic``, which is ``kind``, of that name."""
        now = self._clock()
        with self._lock:
            before = self._said.get((kind, name))
            is_due = before is None or now - before >= AGAIN_S
            if is_due:
                self._said[kind, name] = now
        if is_due:
            _LOG.error("kafka.refused: %s", self._sentence(kind, name))

    def allowed(self, kind: str, names: Iterable[str]) -> None:
        """These can be read, or are not to be read any more."""
        for name in names:
            with self._lock:
                was_refused = self._said.pop((kind, name), None) is not None
            if was_refused:
                _LOG.warning("kafka.allowed: the %s %s is no longer refused", kind, name)

    def remind(self) -> None:
        """Say again what is refused still, where it was said long ago."""
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
    """Whom Kafka takes us for, as an ACL names it where that is known."""
    if settings.kafka_sasl == "OAUTHBEARER":
        return "the user of our OAuth token"
    if settings.kafka_sasl != "none":
        return f"User:{settings.kafka_username}"
    return "User:ANONYMOUS" if settings.kafka_tls_certificate is None else "the user of our client certificate"
