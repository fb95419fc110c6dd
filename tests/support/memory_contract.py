"""The sink contract for the sink in memory, whose faults tests choose."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from typing_extensions import override

from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.testing import Destination, SinkContract
from tests.support.memory_sink import Memory, memory_plugin

REFUSED = "test_a_refused_event_is_rejected_and_its_neighbours_arrive"
DOWN = "test_events_wait_while_the_destination_is_down_and_arrive_afterwards"
HANGS = "test_a_destination_that_hangs_holds_up_no_later_delivery"
CANCELLED = "test_a_delivery_that_is_cancelled_in_the_middle_leaves_no_answer_behind"
ONCE = "test_each_event_arrives_once_as_it_is"
CLOSING = "test_closing_once_more_or_while_delivering_does_no_harm"
PROBE = "test_the_probe_says_that_the_destination_takes_events"
SECRETS = "test_no_secret_can_be_seen_in_a_repr_or_in_an_error_about_the_configuration"


class MemoryContract(SinkContract):
    sink_type = "memory"
    unguarded = "it is in memory: nothing is connected to"
    patience_s = 0.3
    memory: Memory

    @override
    @asynccontextmanager
    async def destination(self) -> AsyncIterator[Destination]:
        self.memory = Memory()
        yield self.memory

    @override
    def plugin(self) -> AnySinkPlugin:
        return memory_plugin(self.memory)


def run(suite: type[SinkContract], test: str) -> None:
    """Run one test of ``suite``, as pytest does."""
    getattr(suite(), test)()
