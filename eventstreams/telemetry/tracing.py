"""OpenTelemetry traces, if a setting names a collector: each sampled event is traced from acceptance to delivery.

The context is in the event's headers ``traceparent`` and ``tracestate`` (W3C Trace Context), which the gateway writes
and everything else copies. So the spans of router and workers are children of the gateway's, across retries and
redrives too, and no copy is rewritten for it. The SDK is loaded only if tracing is on.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from eventstreams import __version__
from eventstreams.errors import SettingsError
from eventstreams.settings import PREFIX, Settings
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.trace_context import TraceContext

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_MS: Final = 1_000_000
_FLUSH_MS: Final = 2_000  # to export what is left when a process ends; the rest is dropped

_log = get_logger(__name__)

Attributes = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Attempted:
    """An event's part in an attempt. ``headers`` are its record's; ``failed`` says why it failed, if it did."""

    headers: Mapping[str, bytes]
    attributes: Attributes
    failed: str | None


class Tracing:
    """Creates spans. A thread of the SDK exports them from a bounded queue: what does not fit is dropped.

    Events never depend on them: if the SDK raises, spans are missing, and that is logged once.
    """

    def __init__(self, provider: "TracerProvider") -> None:
        """Create spans with ``provider``, which is shut down by ``close``."""
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - of the extra
            TraceContextTextMapPropagator,
        )

        self._provider = provider
        self._tracer = provider.get_tracer("eventstreams", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._has_told = False

    def accept(self, parent: TraceContext | None, attributes: Attributes) -> "tuple[Span | None, TraceContext | None]":
        """Start a span ``gateway.accept``; also returns the event's context, which is ``parent`` if it is not sampled.

        Pass the span to ``ended``. It is None if the SDK failed.
        """
        span: Span | None = None
        context = parent
        with self._harmless():
            span, context = self._accept(parent, attributes)
        return span, context

    def ended(self, spans: "Iterable[Span | None]") -> None:
        """End ``spans`` now."""
        for span in spans:
            with self._harmless():
                if span is not None:
                    span.end()

    def _accept(self, parent: TraceContext | None, attributes: Attributes) -> "tuple[Span, TraceContext | None]":
        span = self._tracer.start_span("gateway.accept", self._context(parent), attributes=dict(attributes))
        about = span.get_span_context()
        if not about.trace_flags.sampled:
            return span, parent
        return span, TraceContext.parse(
            f"00-{about.trace_id:032x}-{about.span_id:016x}-01", about.trace_state.to_header()
        )

    def routed(self, headers: Mapping[str, bytes], attributes: Attributes, *, began_ns: int) -> None:
        """Record a span ``router.route`` that ends now, if the event is part of a sampled trace."""
        parent = sampled_parent(headers)
        if parent is None:
            return
        with self._harmless():
            span = self._tracer.start_span(
                "router.route", self._context(parent), attributes=dict(attributes), start_time=began_ns
            )
            span.end()

    def delivered(self, batch: Sequence[Attempted], *, began_ms: int) -> None:
        """Record a span ``worker.deliver`` for each traced event of an attempt; all link to the first of them."""
        with self._harmless():
            self._delivered(batch, began_ms=began_ms)

    def _delivered(self, batch: Sequence[Attempted], *, began_ms: int) -> None:
        from opentelemetry.trace import Link, Status, StatusCode  # noqa: PLC0415 - of the extra

        ended_ns, first = time.time_ns(), None
        for each in batch:
            parent = sampled_parent(each.headers)
            if parent is None:
                continue
            span = self._tracer.start_span(
                "worker.deliver",
                self._context(parent),
                attributes={**each.attributes, "messaging.batch.message_count": len(batch)},
                links=[] if first is None else [Link(first)],
                start_time=began_ms * _MS,
            )
            first = first or span.get_span_context()
            if each.failed is not None:
                span.set_status(Status(StatusCode.ERROR, each.failed))
            span.end(ended_ns)

    def close(self) -> None:
        """Export what is waiting, for two seconds at most, and shut down."""
        self._provider.force_flush(_FLUSH_MS)
        self._provider.shutdown()

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            yield
        except Exception:  # noqa: BLE001 - a seam to foreign code, beside an event's way
            if not self._has_told:
                self._has_told = True
                _log.exception("trace.not_made", follows="spans are missing, events are not; this is logged once")

    def _context(self, parent: TraceContext | None) -> "Context":
        from opentelemetry.context import Context  # noqa: PLC0415 - of the extra

        # An empty context, not the thread's own, so that no unrelated span becomes the parent.
        return self._propagator.extract({} if parent is None else parent.carrier(), Context())


def sampled_parent(headers: Mapping[str, bytes]) -> TraceContext | None:
    """The context in a record's headers if it is sampled; None if not, or if it is missing or invalid."""
    context = TraceContext.of(headers)
    return context if context is not None and context.is_sampled else None


def open_tracing(settings: Settings) -> Tracing | None:
    """Set up tracing as the settings say; None if it is off.

    Raises:
        SettingsError: it is on, but the SDK is not installed.
    """
    if settings.traces is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError(
            f"{PREFIX}TRACES is set, but {error.name} is missing: pip install 'eventstreams[otel]', or unset it"
        ) from None
    resource = Resource.create({"service.name": "eventstreams", "service.version": __version__})
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(settings.traces_ratio), resource=resource, shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.traces)))
    return Tracing(provider)
