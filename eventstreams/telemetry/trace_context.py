"""W3C Trace Context as carried by events: ``traceparent`` and ``tracestate``. Pure, and independent of the SDK."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from eventstreams.headers import TRACEPARENT, TRACESTATE

MAX_TRACESTATE: Final = 512  # characters that W3C asks to propagate; it is a header of every copy
_TRACEPARENT: Final = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE: Final = re.compile(f"[\x20-\x7e]{{1,{MAX_TRACESTATE}}}")


class TraceContext(NamedTuple):
    """A position in a trace, as received.

    Attributes:
        traceparent: 55 characters: version, trace id, span id and flags.
        tracestate: What tracing vendors added, unchanged; empty if nothing.
    """

    traceparent: str
    tracestate: str = ""

    @classmethod
    def parse(cls, traceparent: object, tracestate: object = None) -> "TraceContext | None":
        """None if ``traceparent`` is invalid; a ``tracestate`` that is invalid or too long is left out."""
        if not isinstance(traceparent, str) or not _TRACEPARENT.fullmatch(traceparent):
            return None
        is_state = isinstance(tracestate, str) and _TRACESTATE.fullmatch(tracestate)
        return cls(traceparent, str(tracestate) if is_state else "")

    @classmethod
    def of(cls, headers: Mapping[str, bytes]) -> "TraceContext | None":
        """The context in a record's headers; None if it is missing or invalid."""
        parent = headers.get(TRACEPARENT)
        if parent is None:
            return None
        return cls.parse(parent.decode(errors="replace"), headers.get(TRACESTATE, b"").decode(errors="replace"))

    @property
    def is_sampled(self) -> bool:
        """Whether the sampled flag is set, so that spans are wanted."""
        return bool(int(self.traceparent[-2:], 16) & 1)

    def headers(self) -> list[tuple[str, bytes]]:
        """As headers of a record."""
        parent = (TRACEPARENT, self.traceparent.encode())
        return [parent, (TRACESTATE, self.tracestate.encode())] if self.tracestate else [parent]

    def carrier(self) -> dict[str, str]:
        """As a carrier for OpenTelemetry's propagators."""
        return {TRACEPARENT: self.traceparent, TRACESTATE: self.tracestate}
