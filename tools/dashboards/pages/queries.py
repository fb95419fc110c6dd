"""Expressions that several dashboards ask."""

from typing import Final

from tools.dashboards.model import OF_INSTALLATION

OF_TYPE: Final = 'sink_type=~"$sink_type"'


def of(metric: str, *labels: str, prefix: str = "eventstreams_") -> str:
    """The series of ``metric`` with ``labels``, of the installation that is looked at alone."""
    return f"{prefix}{metric}{{{', '.join((OF_INSTALLATION, *labels))}}}"


def rate(metric: str, *labels: str, by: str = "") -> str:
    """A second, over all processes; ``by`` labels."""
    return f"sum{_by(by)} (rate({of(metric, *labels)}[$__rate_interval]))"


def share(metric: str, part: str, *labels: str, by: str = "") -> str:
    """Of the rate of ``metric``, that of those with the label ``part``; 0 where there is none of them."""
    whole = rate(metric, *labels, by=by)
    return f"({rate(metric, part, *labels, by=by)} or 0 * {whole}) / ({whole} > 0)"


def quantile(share_of: float, metric: str, *labels: str, by: str = "") -> str:
    """Below which ``share_of`` of a histogram's observations are."""
    buckets = rate(f"{metric}_bucket", *labels, by=f"le, {by}" if by else "le")
    return f"histogram_quantile({share_of:g}, {buckets})"


def told(metric: str, *labels: str, by: str = "") -> str:
    """A figure that the API's primary tells; for a moment two processes may, after which none counts twice."""
    return f"max{_by(by)} ({of(metric, *labels)})"


def total(metric: str, *labels: str, by: str = "") -> str:
    """A gauge, summed over all processes."""
    return f"sum{_by(by)} ({of(metric, *labels)})"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
