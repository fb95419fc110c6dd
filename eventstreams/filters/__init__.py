"""Filters decide which events a subscription gets, in the Common Expression Language. See ``docs/filters.md``."""

from eventstreams.filters.check import FilterChecker
from eventstreams.filters.evaluation import CompiledFilters, FilterInput
from eventstreams.filters.filter import Answer, Filter, Verdict
from eventstreams.filters.language import MAX_LENGTH, FilterError

__all__ = [
    "MAX_LENGTH",
    "Answer",
    "CompiledFilters",
    "Filter",
    "FilterChecker",
    "FilterError",
    "FilterInput",
    "Verdict",
]
