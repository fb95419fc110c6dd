"""Filters: which of its events a subscription gets, in the Common Expression Language. See ``docs/filters.md``."""

from eventstreams.filters.asking import Filters, Reading
from eventstreams.filters.check import FilterChecker
from eventstreams.filters.filter import Answer, Filter, Verdict
from eventstreams.filters.language import MAX_LENGTH, FilterError

__all__ = ["MAX_LENGTH", "Answer", "Filter", "FilterChecker", "FilterError", "Filters", "Reading", "Verdict"]
