"""Segment: each event becomes a ``track`` call for the user that it is about."""

from sink_workers.plugins.segment.sink import PLUGIN

__all__ = ["PLUGIN"]
