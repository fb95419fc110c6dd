"""The publisher for code without asyncio is made in the same way as the other one."""

import inspect

from producers.blocking import BlockingEventPublisher
from producers.publisher import EventPublisher


def test_both_publishers_take_the_same_arguments() -> None:
    blocking, other = map(inspect.signature, (BlockingEventPublisher, EventPublisher))

    assert blocking.parameters == other.parameters
