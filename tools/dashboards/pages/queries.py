"""PromQL expressions that several dashboards use."""

from typing import Final

from tools.dashboards.model import OF_INSTALLATION

OF_TYPE: Final = 'sink_type=~"$sink_type"'


def of(metric: str, *labels: str, prefix: str = "eventstreams_") -> str:
    """The series of ``metric`` with ``labels``, of the selected installation only."""
    return f"{prefix}{metric}{{{', '.join((OF_INSTALLATION, *labels))}}}"


def rate(metric: str, *labels: str, by: str = "") -> str:
    """The rate of ``metric`` per second, summed over all processes; grouped by the labels ``by``."""
    return f"sum{_by(by)} (rate({of(metric, *labels)}[$__rate_interval]))"


def share(metric: str, part: str, *labels: str, by: str = "") -> str:
    """The share of the rate of ``metric`` that has the label ``part``; 0 if there is no such series."""
    whole = rate(metric, *labels, by=by)
    return f"({rate(metric, part, *labels, by=by)} or 0 * {whole}) / ({whole} > 0)"


def quantile(share_of: float, metric: str, *labels: str, by: str = "") -> str:
    """The value below which the share ``share_of`` of a histogram's observations lies."""
    buckets = rate(f"{metric}_bucket", *labels, by=f"le, {by}" if by else "le")
    return f"histogram_quantile({share_of:g}, {buckets})"


def told(metric: str, *labels: str, by: str = "") -> str:
    """A figure reported by the API's primary. A maximum, since two processes may briefly report it."""
    return f"max{_by(by)} ({of(metric, *labels)})"


def total(metric: str, *labels: str, by: str = "") -> str:
    """A gauge, summed over all processes."""
    return f"sum{_by(by)} ({of(metric, *labels)})"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
