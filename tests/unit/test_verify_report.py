"""The report of ``eventstreams verify``: as text, as JSON, and as a page that asks nobody for anything."""

import re
from collections.abc import Sequence
from dataclasses import replace

import orjson
import pytest

from eventstreams.reasons import DeadReason
from eventstreams.verify.calling import Calls
from eventstreams.verify.environment import Options
from eventstreams.verify.judge import Evidence, judge
from eventstreams.verify.page import page_of
from eventstreams.verify.plan import Kind
from eventstreams.verify.publishing import Published
from eventstreams.verify.report import delay_of, text_of, value_of
from eventstreams.verify.run import Report
from eventstreams.verify.timeline import Sample, Timeline
from eventstreams.verify.usage import Growth, Life, TopicSize, Usage, Use
from tests.support.verifying import KILLED, PLAN, buried, changed, numbers, sound, with_bytes

ORDINARY = numbers(Kind.ORDINARY)


def report_of(
    evidence: Evidence, *, settled_s: float | None = 2.5, whereabouts: dict[str, str] | None = None
) -> Report:
    names = [each.name.split()[1] for each in evidence.subscriptions]
    delays: Sequence[int] = [0] * 100 + [300] + [0] * 91
    return Report(
        options=Options(
            events=300, rate=100, receivers=names, seed=7, settle_s=60, listen="127.0.0.1:0", receiver_host="127.0.0.1"
        ),
        run=PLAN.run,
        published=Published(acknowledged=320, sent_again=2),
        event_count=330,
        verdict=judge(evidence, most_duplicates=0.01),
        inflicted=evidence.inflicted,
        delays=[delays] * len(names),
        requests=[(40, 3)] * len(names),
        samples=[Sample(at, 100 * at, [90 * at] * len(names)) for at in range(4)],
        began=8.0,
        published_s=3.25,
        settled_s=settled_s,
        stalled_s=0.1,
        whereabouts=whereabouts or {},
    )


@pytest.fixture
def lost() -> Report:
    """One event of the second subscription is lost, around a fault whose name is hostile."""
    evidence = sound("healthy", "slow")
    accepted = with_bytes(evidence.subscriptions[1].accepted, ORDINARY[:1], 0)
    evidence = changed(
        replace(evidence, inflicted=[replace(KILLED, detail="<script>alert(1)</script>")]), 1, accepted=accepted
    )
    where = {f"{PLAN.id_of(0)} for 1 slow": "waiting at es.sub.webhook.DF1/0/7, 0 attempts"}
    return report_of(evidence, settled_s=None, whereabouts=where)


def test_a_run_that_holds_ends_with_that() -> None:
    report = report_of(
        buried(changed(sound("refusing"), refused=bytes([1]) * PLAN.event_count), ORDINARY[:2], DeadReason.REFUSED)
    )

    lines = text_of(report).splitlines()

    assert lines[-1] == "it holds"
    assert "305 = 303 delivered; dead letters: 2 refused; 0 missing; 0 duplicates" in text_of(report)
    assert "settled 2.5 s after" in text_of(report)
    assert "seed 7" in lines[0]


def test_what_was_lost_is_told_with_ids_and_where_it_is(lost: Report) -> None:
    text = text_of(lost)

    assert "PROBLEM 1 slow: 1 acknowledged events neither arrived nor are dead letters, all of type" in text
    assert PLAN.id_of(ORDINARY[0]) in text
    assert "waiting at es.sub.webhook.DF1/0/7" in text
    assert "NOT settled 60 s after" in text
    assert "2.0 s to     3.0 s  kill router-1" in text  # from the first event on
    assert text.splitlines()[-1] == "it does NOT hold: 1 problems"


def test_the_value_is_json_with_the_same(lost: Report) -> None:
    told = orjson.loads(orjson.dumps(value_of(lost)))

    assert (told["holds"], told["seed"], told["settled_seconds"]) == (False, 7, None)
    assert told["problems"][0]["fault"] == "lost"
    assert told["problems"][0]["ids"] == [PLAN.id_of(ORDINARY[0])]
    assert [each["missing"] for each in told["subscriptions"]] == [0, 1]
    assert told["subscriptions"][0]["delay_seconds"]["p50"] == told["subscriptions"][0]["delay_seconds"]["p100"]
    assert (told["faults"][0]["began_s"], told["faults"][0]["ended_s"]) == (2.0, 3.0)


def test_the_page_holds_all_it_shows_and_asks_nobody_for_anything(lost: Report) -> None:
    page = page_of(lost)

    assert page.count("<svg") == 3  # progress, faults, delays
    fetched = re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]+)|@import|url\((?!#)""", page)
    assert [each for each in fetched if not each.startswith("#")] == []
    assert "default-src 'none'" in page
    assert PLAN.id_of(ORDINARY[0]) in page
    assert "<script>alert" not in page


def test_the_page_of_a_run_in_which_nothing_arrived_is_a_page() -> None:
    nothing = bytes(PLAN.event_count)
    report = report_of(changed(replace(sound(), states=nothing), accepted=nothing, arrivals=nothing))

    assert "there is nothing to judge" in page_of(replace(report, samples=[], delays=[[0] * 192]))


def test_what_processes_and_topics_used_is_told_in_all_three() -> None:
    growth = Growth("router-1", 7, 1800.0, 150.4, 40.0, 20.0, 3.25, 0.0, -1.0)
    life = Life("router-1", 7, [Use(0.0, 100.0, 30, 15), Use(5.0, 150.4, 40, 20)])
    used = Usage([growth], [life], [TopicSize("es.events", 1 << 20, 3 << 20)])
    report = replace(report_of(sound()), usage=used)

    text = text_of(report)
    assert "150 MiB, +3.2 an hour; 40 descriptors, +0.0; 20 threads, -1.0; by 1800 s of process 7" in text
    assert "es.events        3.0 MiB on disk, +2.0 in the second half" in text
    told = orjson.loads(orjson.dumps(value_of(report)))
    assert told["processes"][0]["memory_an_hour"] == 3.25
    assert told["topics"] == [{"kind": "es.events", "bytes_then": 1 << 20, "bytes_now": 3 << 20}]
    page = page_of(report)
    assert page.count("<svg") == 3  # progress, delays, memory
    assert "router-1 (7)" in page


def test_a_machine_that_was_too_busy_is_told_of() -> None:
    assert "for up to 4.2 s at a time" in text_of(replace(report_of(sound()), stalled_s=4.2))


def test_how_long_deliveries_took_is_told_by_share() -> None:
    delays = [0] * 192
    delays[8], delays[80], delays[88] = 98, 1, 1  # 2 ms, 1 s, 2 s

    text = text_of(replace(report_of(sound()), delays=[delays]))

    assert "half within 0.00 s, 99 % within 1.15 s, all within 2.3 s" in text


def test_calls_of_the_api_are_told_where_there_were_any() -> None:
    report = report_of(sound())
    called = replace(report, calls=Calls(made=630, sent_again=3, failed=1, slowest_s=0.61))

    assert "calls of the API" not in text_of(report)
    assert "630 calls of the API, 3 requests sent again, 1 failed; the slowest took 0.6 s" in text_of(called)
    assert orjson.loads(orjson.dumps(value_of(called)))["calls"]["failed"] == 1
    assert value_of(report)["calls"] is None


def test_a_delay_is_that_which_a_share_did_not_exceed() -> None:
    delays = [0] * 192
    delays[8], delays[80] = 99, 1  # 2 ms, 1 s

    assert [delay_of(delays, share) for share in (0.5, 0.99, 1.0)] == [0.00225, 0.00225, 1.152]
    assert delay_of([0] * 192, 0.5) is None


def test_a_timeline_stays_bounded_and_keeps_its_ends() -> None:
    counted = iter(range(100_000))
    timeline = Timeline(lambda: (next(counted), ()))

    for _ in range(50_000):
        timeline.take()

    assert len(timeline.samples) <= 1_000
    assert timeline.samples[0].acknowledged == 0
    assert timeline.samples[-1].acknowledged == 49_999
