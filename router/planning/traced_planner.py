"""A planner that also records traces; used in place of ``Planner`` if tracing is on."""

import time
from collections.abc import Container, Sequence

from typing_extensions import override

from eventstreams import headers as names
from eventstreams.telemetry.tracing import Tracing, sampled_parent
from router.planning.filtering import Filtering
from router.planning.matcher import Matcher
from router.planning.plan import Copy, Planner, Run, Way
from router.records import SourceRecord


class TracedPlanner(Planner):
    """Records a span for each event of a sampled trace, and another one each time the event is planned again."""

    def __init__(
        self,
        matcher: Matcher,
        *,
        filtering: Filtering,
        event_types: Container[str],
        dead_topic: str,
        tracing: Tracing,
    ) -> None:
        super().__init__(matcher, filtering=filtering, event_types=event_types, dead_topic=dead_topic)
        self._tracing = tracing

    @override
    def ways(self, record: SourceRecord) -> Sequence[Way]:
        ways = super().ways(record)
        return () if sampled_parent(dict(record.headers)) is not None else ways

    @override
    def learn(self, record: SourceRecord, header_bytes: int) -> Sequence[Way]:
        if any(name == names.TRACEPARENT for name, _ in record.headers):  # the next event's may be sampled
            return self.ways(record)
        return super().learn(record, header_bytes)

    @override
    def plan_closely(self, run: Run, record: SourceRecord) -> list[Copy]:
        began_ns = time.time_ns()
        copies = super().plan_closely(run, record)
        headers = dict(record.headers)
        if sampled_parent(headers) is not None:
            attributes: dict[str, str | int] = {
                "cloudevents.event_id": headers.get(names.ID, b"").decode(errors="replace"),
                "cloudevents.event_type": headers.get(names.TYPE, b"").decode(errors="replace"),
                "eventstreams.copies": len(copies),
            }
            self._tracing.routed(headers, attributes, began_ns=began_ns)
        return copies
