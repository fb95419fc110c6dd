"""What a record's trace is, whatever somebody wrote there, and that every copy keeps it."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.events import Event
from eventstreams.headers import (
    ACCEPTED_AT,
    DEADLINE,
    KNOWN,
    SUBSCRIPTION,
    TRACEPARENT,
    TRACESTATE,
    DeliveryProgress,
    again_headers,
    dead_headers,
    retry_headers,
    routed_headers,
)
from eventstreams.reasons import DeadReason
from eventstreams.settings import Settings
from eventstreams.telemetry.trace_context import TraceContext
from eventstreams.telemetry.tracing import Tracing, open_tracing, sampled_parent
from eventstreams.topics import MAX_EVENT_BYTES
from producers.encoder import EncodedEvent, EventEncoder
from producers.gateway.traces import accepting, contexts_of
from producers.products import messaging
from tests.support.events import message_event

PARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
ACCOUNT = "AC" + "1" * 32
OTHER = "00-" + "c" * 32 + "-" + "d" * 16 + "-01"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"01",
        PARENT.replace("-01", "-00").encode(),
        PARENT.replace("-01", "-zz").encode(),
        b"\xff" * 55,
        b"1" * 500,
    ],
    ids=["empty", "short", "not-sampled", "no-number", "binary", "long"],
)
def test_what_asks_for_no_span_or_is_no_trace_gets_none(value: bytes) -> None:
    assert sampled_parent({TRACEPARENT: value}) is None
    assert sampled_parent({}) is None
    assert sampled_parent({TRACEPARENT: PARENT.encode()}) == TraceContext(PARENT)


@pytest.mark.parametrize(
    ("traceparent", "tracestate", "found"),
    [
        (PARENT, "vendor=1,other=t:0", TraceContext(PARENT, "vendor=1,other=t:0")),
        (PARENT, None, TraceContext(PARENT)),
        (PARENT, "", TraceContext(PARENT)),
        (PARENT, 3, TraceContext(PARENT)),
        (PARENT, "a=\n", TraceContext(PARENT)),
        (PARENT, "a=" + "b" * 511, TraceContext(PARENT)),
        (None, "vendor=1", None),
        (PARENT.upper(), "vendor=1", None),
        ("ff" + PARENT[2:], "vendor=1", None),
        (PARENT.replace("a" * 32, "0" * 32), "vendor=1", None),
        (PARENT.replace("b" * 16, "0" * 16), "vendor=1", None),
        (f"{PARENT}\n", "vendor=1", None),
    ],
    ids=[
        *("both", "no-state", "empty-state", "state-is-no-text", "control-character", "too-long", "no-parent"),
        *("upper-case", "forbidden-version", "no-trace", "no-span", "line-end"),
    ],
)
def test_a_context_is_what_w3c_says_and_nothing_else(
    traceparent: object, tracestate: object, found: TraceContext | None
) -> None:
    assert TraceContext.parse(traceparent, tracestate) == found


@given(st.binary(max_size=70), st.binary(max_size=600))
def test_whatever_stands_in_a_record_its_context_is_one_or_none(traceparent: bytes, tracestate: bytes) -> None:
    found = TraceContext.of({TRACEPARENT: traceparent, TRACESTATE: tracestate})

    assert found is None or dict(found.headers())[TRACEPARENT] == traceparent


def test_every_copy_of_an_event_keeps_its_trace() -> None:
    own = TraceContext(PARENT, "vendor=1").headers()
    event = [*own, (ACCEPTED_AT, b"1"), (DEADLINE, b"2"), (SUBSCRIPTION, b"DF1")]
    progress = DeliveryProgress(1, 2, "DF1")

    copies = (
        routed_headers(event, accepted_at_ms=1, deadline_ms=2, subscription_sid="DF1"),
        retry_headers(event, progress),
        dead_headers(event, progress, origin="t/0/1", reason=DeadReason.EXPIRED, code=1, detail=""),
        again_headers(
            event, accepted_at_ms=1, deadline_ms=2, subscription_sid="DF1", subscriber_sid=None, job_sid="RJ1"
        ),
    )

    assert [header for header, _ in own] == [TRACEPARENT, TRACESTATE]
    assert all(set(own) <= set(copy) for copy in copies)
    assert set(dict(own)) < KNOWN


def test_an_event_says_what_it_is_part_of_before_its_request_does() -> None:
    of_request = CIMultiDict([("Traceparent", PARENT), ("Tracestate", "a=1"), ("Tracestate", "b=2")])
    own = {"traceparent": OTHER, "tracestate": "c=3"}

    found = contexts_of(
        [own, {"traceparent": OTHER}, {}, {"tracestate": "c=3"}, {"traceparent": 3}, "no event"], of_request
    )

    theirs = TraceContext(PARENT, "a=1,b=2")
    assert found == [TraceContext(OTHER, "c=3"), TraceContext(OTHER), theirs, theirs, theirs, theirs]
    assert contexts_of([{}], CIMultiDict()) == [None]


@pytest.mark.parametrize("sampled", ["00", "01"])
async def test_where_the_gateway_makes_no_span_a_publishers_own_context_is_kept(sampled: str) -> None:
    own = TraceContext(PARENT[:-2] + sampled, "vendor=1")
    record = EncodedEvent("EZ1", "type", b"", b"", [("ce_id", b"EZ1")])
    tracings = [None] if sampled == "01" else [None, Tracing(TracerProvider(sampler=ParentBased(ALWAYS_ON)))]

    for tracing in tracings:
        async with accepting(tracing, [record, record], [own, None]) as [kept, without]:
            assert kept.headers == [*record.headers, *own.headers()]
            assert (without.headers == record.headers) == (tracing is None)


async def test_a_span_of_the_gateway_takes_the_parents_place_and_keeps_its_state() -> None:
    own = TraceContext(PARENT, "vendor=1")
    tracing = Tracing(TracerProvider(sampler=ParentBased(ALWAYS_OFF)))

    async with accepting(tracing, [EncodedEvent("EZ1", "type", b"", b"", [])], [own]) as [record]:
        found = TraceContext.of(dict(record.headers))

    assert found is not None
    assert found.traceparent[:36] == own.traceparent[:36]
    assert found.traceparent != own.traceparent
    assert found.tracestate == own.tracestate


def test_an_event_of_the_library_carries_the_context_that_it_states() -> None:
    encoder = EventEncoder(Catalog.load(), Codec(Catalog.load(), schema_base_url="https://schemas.example.com"))
    stated = message_event(ACCOUNT, 1)
    made = messaging.MessageSent(account_sid=ACCOUNT, message_sid="SM1", api_version="1", from_="+1", to="+2")

    def carried(event: Event) -> list[tuple[str, bytes]]:
        found = encoder.encode(event)
        assert isinstance(found, EncodedEvent)
        return [header for header in found.headers if header[0].startswith("trace")]

    own = TraceContext(PARENT, "vendor=1")
    assert carried(replace(stated, traceparent=PARENT, tracestate="vendor=1")) == own.headers()
    assert carried(replace(made, traceparent=PARENT, tracestate="vendor=1").event()) == own.headers()
    assert carried(replace(stated, traceparent=PARENT)) == TraceContext(PARENT).headers()
    wrong: list[dict[str, Any]] = [{}, {"traceparent": "no"}, {"traceparent": 3}, {"tracestate": "vendor=1"}]
    for each in wrong:
        assert carried(replace(stated, **each)) == []


def test_an_event_that_a_context_might_make_too_large_goes_without() -> None:
    large = EncodedEvent("EZ1", "type", b"", b"x" * (MAX_EVENT_BYTES - 1000), [])

    assert large.within(TraceContext(PARENT)) == large


def test_off_it_is_nothing_and_loads_nothing() -> None:
    assert open_tracing(Settings.load()) is None
    program = (
        "import sys, eventstreams.process.run, router.role, sink_workers.role, producers.gateway.role;"
        "print(sorted(name for name in sys.modules if name.startswith('opentelemetry')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout == "[]\n"
