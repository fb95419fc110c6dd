"""A sink for Event Streams: each event a job in a beanstalkd queue."""

from eventstreams_beanstalk.sink import PLUGIN

__all__ = ["PLUGIN"]
