"""Formats a run and its result, as text for a person and as a value for scripts. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Final

from eventstreams.verify.faults import Inflicted
from eventstreams.verify.judge import Score
from eventstreams.verify.ledger import longest_of
from eventstreams.verify.run import Report

QUANTILES: Final = (0.5, 0.99, 1.0)
_MIB: Final = 1 << 20
_BUSY_S: Final = 1.0  # workers that get no CPU for ten seconds lose their partitions, which causes duplicates


def text_of(report: Report) -> str:
    """The report as lines; the last says whether it holds."""
    return "\n".join(_lines(report))


def value_of(report: Report) -> Mapping[str, object]:
    """The report for JSON. Times are in seconds; those of faults count from the first event."""
    options = report.options
    return {
        "holds": report.verdict.holds,
        "run": report.run,
        "events": options.events,
        "rate": options.rate,
        "seed": options.seed,
        "published": {
            "events": report.event_count,
            "acknowledged": report.published.acknowledged,
            "requests_sent_again": report.published.sent_again,
            "seconds": round(report.published_s, 3),
        },
        "calls": None if report.calls is None else asdict(report.calls),
        "stalled_seconds": round(report.stalled_s, 3),
        "settled_seconds": None if report.settled_s is None else round(report.settled_s, 3),
        "subscriptions": [
            {
                **asdict(score),
                "requests": requests,
                "requests_failed_on_purpose": failed,
                "delay_seconds": {f"p{share * 100:g}": delay_of(delays, share) for share in QUANTILES},
            }
            for score, (requests, failed), delays in zip(
                report.verdict.scores, report.requests, report.delays, strict=True
            )
        ],
        "faults": [
            {**asdict(each), "began_s": round(began, 3), "ended_s": round(ended, 3)}
            for each, began, ended in faults_of(report)
        ],
        "processes": [asdict(each) for each in report.usage.growths],
        "topics": [asdict(each) for each in report.usage.topics],
        "problems": [asdict(each) for each in report.verdict.problems],
        "whereabouts": report.whereabouts,
    }


def faults_of(report: Report) -> Sequence[tuple[Inflicted, float, float]]:
    """Each fault with its beginning and end, in seconds from the first event."""
    return [(each, each.began_s - report.began, each.ended_s - report.began) for each in report.inflicted]


def delay_of(delays: Sequence[int], share: float) -> float | None:
    """The delay in seconds that ``share`` of the events did not exceed, to within an eighth; None without events."""
    wanted, so_far = share * sum(delays), 0
    for bucket, count in enumerate(delays):
        so_far += count
        if so_far and so_far >= wanted:
            return longest_of(bucket)
    return None


def sentence_of(score: Score) -> str:
    """The figures of one subscription in words."""
    dead = ", ".join(f"{count:,} {reason}" for reason, count in score.dead.items())
    parts = [f"{score.delivered:,} delivered", f"dead letters: {dead}" if dead else "no dead letter"]
    parts.append(f"{score.missing:,} MISSING" if score.missing else "0 missing")
    again = f" ({score.republished:,} of events that were published again)" if score.republished else ""
    parts.append(f"{score.duplicates:,} duplicates{again}")
    if score.unknown:
        parts.append(f"{score.unknown_delivered:,} of {score.unknown:,} unacknowledged events also arrived")
    return "; ".join(parts)


def _usage(report: Report) -> Iterator[str]:
    """Lines about processes and topics in the second half of the time in which events were published."""
    for each in report.usage.growths:
        yield (
            f"  {each.name:<16} {each.memory_mib:.0f} MiB, {each.memory_an_hour:+.1f} an hour; "
            f"{each.descriptors:.0f} descriptors, {each.descriptors_an_hour:+.1f}; "
            f"{each.threads:.0f} threads, {each.threads_an_hour:+.1f}; by {each.seconds:.0f} s of process {each.pid}"
        )
    for topic in report.usage.topics:
        grown = topic.bytes_now - topic.bytes_then
        yield f"  {topic.kind:<16} {topic.bytes_now / _MIB:.1f} MiB on disk, {grown / _MIB:+.1f} in the second half"


def _lines(report: Report) -> Iterator[str]:
    published, options = report.published, report.options
    yield (
        f"{published.acknowledged:,} of {report.event_count:,} events acknowledged in {report.published_s:.1f} s, "
        f"{published.sent_again:,} requests sent again; seed {options.seed}"
    )
    if (calls := report.calls) is not None:
        yield (
            f"{calls.made:,} calls of the API, {calls.sent_again:,} requests sent again, {calls.failed:,} failed; "
            f"the slowest took {calls.slowest_s:.1f} s"
        )
    for each, began, ended in faults_of(report):
        detail = f": {each.detail}" if each.detail else ""
        yield f"  fault  {began:7.1f} s to {ended:7.1f} s  {each.name} {each.target}{detail}"
    for score, delays in zip(report.verdict.scores, report.delays, strict=True):
        half, most, slowest = (delay_of(delays, share) for share in QUANTILES)
        took = (
            ""
            if slowest is None
            else f"; half within {half:.2f} s, 99 % within {most:.2f} s, all within {slowest:.1f} s"
        )
        yield f"  {score.name:<16} {score.expected:,} = {sentence_of(score)}{took}"
    if report.settled_s is None:
        yield f"NOT settled {options.settle_s:g} s after the receivers had recovered"
    else:
        yield f"settled {report.settled_s:.1f} s after the receivers had recovered; nothing is waiting"
    yield from _usage(report)
    if report.stalled_s > _BUSY_S:
        yield f"this machine was busy: this process did not get the CPU for up to {report.stalled_s:.1f} s at a time"
    for problem in report.verdict.problems:
        ids = f" ({', '.join(problem.ids)} …)" if problem.ids else ""
        yield f"PROBLEM {problem.where}: {problem.text}{ids}"
    for what, where in report.whereabouts.items():
        yield f"  where  {what}: {where}"
    yield "it holds" if report.verdict.holds else f"it does NOT hold: {len(report.verdict.problems)} problems"
