"""W3C Trace Context as events carry it: ``traceparent``, and ``tracestate`` beside it. Pure, nothing of the SDK."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from eventstreams.headers import TRACEPARENT, TRACESTATE

MAX_TRACESTATE: Final = 512  # characters: as many as W3C wants handed on; it is a header of every copy
_TRACEPARENT: Final = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE: Final = re.compile(f"[\x20-\x7e]{{1,{MAX_TRACESTATE}}}")


class TraceContext(NamedTuple):
    """A place in a trace, as somebody stated it.

    Attributes:
        traceparent: Of 55 characters: version, trace, span and flags.
        tracestate: What vendors of tracing added, as it is; empty where there is nothing.
    """

    traceparent: str
    tracestate: str = ""

    @classmethod
    def parse(cls, traceparent: object, tracestate: object = None) -> "TraceContext | None":
        """None where ``traceparent`` is none; a ``tracestate`` that is none, or too long, is left out."""
        if not isinstance(traceparent, str) or not _TRACEPARENT.fullmatch(traceparent):
            return None
        is_state = isinstance(tracestate, str) and _TRACESTATE.fullmatch(tracestate)
        return cls(traceparent, str(tracestate) if is_state else "")

    @classmethod
    def of(cls, headers: Mapping[str, bytes]) -> "TraceContext | None":
        """That of a record; None also where what stands there is none, whoever wrote it."""
        parent = headers.get(TRACEPARENT)
        if parent is None:
            return None
        return cls.parse(parent.decode(errors="replace"), headers.get(TRACESTATE, b"").decode(errors="replace"))

    @property
    def is_sampled(self) -> bool:
        """Whether spans are wanted."""
        return bool(int(self.traceparent[-2:], 16) & 1)

    def headers(self) -> list[tuple[str, bytes]]:
        """Of a record."""
        parent = (TRACEPARENT, self.traceparent.encode())
        return [parent, (TRACESTATE, self.tracestate.encode())] if self.tracestate else [parent]

    def carrier(self) -> dict[str, str]:
        """As OpenTelemetry's propagators read it."""
        return {TRACEPARENT: self.traceparent, TRACESTATE: self.tracestate}
