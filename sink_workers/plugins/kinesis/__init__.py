"""Kinesis: each event a record of a data stream in the subscriber's own AWS account."""

from sink_workers.plugins.kinesis.plugin import PLUGIN

__all__ = ["PLUGIN"]
