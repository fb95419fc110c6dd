"""Renders a run as a self-contained HTML page: its plots are inline SVG, and it loads nothing."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from eventstreams.verify.ledger import longest_of
from eventstreams.verify.plots import new_chart, svg_of
from eventstreams.verify.report import QUANTILES, delay_of, faults_of, sentence_of, text_of
from eventstreams.verify.run import Report

_SHORT: Final = 160
_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1040px; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .3em .6em; vertical-align: top }
tr { border-bottom: 1px solid #ddd } .n { text-align: right; font-variant-numeric: tabular-nums }
.verdict { padding: .6em 1em; border-radius: 6px; font-weight: 600 }
.holds { background: #e3f4e1 } .not { background: #fbe3e1 } pre { overflow-x: auto; background: #f6f6f6; padding: 1em }
svg { max-width: 100%; height: auto }
"""


def page_of(report: Report) -> str:
    """The complete page."""
    holds = report.verdict.holds
    verdict = "It holds." if holds else f"The guarantees do not hold: {len(report.verdict.problems)} problems."
    parts = [
        f'<p class="verdict {"holds" if holds else "not"}">{verdict}</p>',
        _problems(report),
        _published(report),
        "<h2>Subscriptions</h2>",
        _subscriptions(report),
        "<h2>Acknowledged and delivered</h2>",
        _progress(report),
        *_faults(report),
        "<h2>From publication to delivery</h2>",
        _delays(report),
        *_memory(report),
        "<h2>As text</h2>",
        f"<pre>{escape(text_of(report))}</pre>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>eventstreams verify: {verdict}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>eventstreams verify</h1>\n{''.join(parts)}\n</body></html>\n"
    )


def _published(report: Report) -> str:
    return (
        f"<p>{report.published.acknowledged:,} of {report.event_count:,} events were acknowledged in "
        f"{report.published_s:.1f} s; seed {report.options.seed}; run {escape(report.run)}.</p>"
    )


def _problems(report: Report) -> str:
    found = [
        _row([each.where, str(each.fault), f"{each.count:,}", each.text, ", ".join(each.ids)])
        for each in report.verdict.problems
    ]
    found += [_row([what, "where", "", where, ""]) for what, where in report.whereabouts.items()]
    return _table(["where", "what", "how many", "", "the first"], found) if found else ""


def _subscriptions(report: Report) -> str:
    heads = ["receiver", "expected", "came out as", "requests", "failed on purpose", "half within", "99 %", "all"]
    rows = []
    for score, (requests, failed), delays in zip(report.verdict.scores, report.requests, report.delays, strict=True):
        took = [delay_of(delays, share) for share in QUANTILES]
        shown = ["" if each is None else f"{each:.3g} s" for each in took]
        rows.append(
            _row([score.name, f"{score.expected:,}", sentence_of(score), f"{requests:,}", f"{failed:,}", *shown])
        )
    return _table(heads, rows)


def _progress(report: Report) -> str:
    chart = new_chart("seconds", "events")
    chart.add("acknowledged", [(each.at_s, each.acknowledged) for each in report.samples])
    for position, score in enumerate(report.verdict.scores):
        chart.add(score.name, [(each.at_s, each.delivered[position]) for each in report.samples])
    return svg_of(chart)


def _faults(report: Report) -> Iterable[str]:
    """A plot with one line for each kind of fault, over the same time as the others, and a table."""
    faults = faults_of(report)
    if not faults:
        return
    yield "<h2>Inflicted</h2>"
    kinds = sorted({each.name for each, _, _ in faults})
    until = report.samples[-1].at_s if report.samples else max(ended for _, _, ended in faults)
    chart = new_chart("seconds", "", height=_SHORT + 24 * len(kinds), dots=True)
    chart.xrange, chart.range = (0, until), (0, len(kinds) + 1)
    chart.show_y_labels = False
    for line, kind in enumerate(kinds, start=1):
        points: list[tuple[float, float] | None] = []
        for each, began, ended in faults:
            if each.name == kind:
                points += [(began, line), (ended, line), None]  # None: a gap up to the next
        chart.add(kind, points, allow_interruptions=True)
    yield svg_of(chart)
    rows = [
        _row([f"{began:.1f} s", f"{ended:.1f} s", each.name, each.target, each.detail]) for each, began, ended in faults
    ]
    yield _table(["from", "to", "what", "of what", ""], rows)


def _memory(report: Report) -> Iterable[str]:
    """A plot with one line for each process that was sampled more than once."""
    lives = [life for life in report.usage.lives if len(life.uses) > 1]
    if not lives:
        return
    yield "<h2>Memory of processes</h2>"
    chart = new_chart("seconds", "MiB")
    for life in sorted(lives, key=lambda each: (each.name, each.pid)):
        chart.add(f"{life.name} ({life.pid})", [(use.at_s, use.memory_mib) for use in life.uses])
    yield svg_of(chart)


def _delays(report: Report) -> str:
    chart = new_chart("seconds", "share of events, %")
    for score, delays in zip(report.verdict.scores, report.delays, strict=True):
        total = sum(delays)
        if total:
            chart.add(score.name, _cumulative(delays, total))
    return svg_of(chart)


def _cumulative(delays: Sequence[int], total: int) -> Sequence[tuple[float, float]]:
    points, so_far = [], 0
    for bucket, count in enumerate(delays):
        so_far += count
        if count:
            points.append((longest_of(bucket), 100 * so_far / total))
    return points


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _row(cells: Sequence[str]) -> str:
    def cell(text: str) -> str:
        return f"<td{' class=n' if text.replace(',', '').isdecimal() else ''}>{escape(text)}</td>"

    return f"<tr>{''.join(map(cell, cells))}</tr>"
