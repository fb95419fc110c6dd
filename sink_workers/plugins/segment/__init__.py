"""Segment: each event a ``track`` call about whom it is about."""

from sink_workers.plugins.segment.sink import PLUGIN

__all__ = ["PLUGIN"]
