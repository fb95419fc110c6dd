"""``SinkContract``: what every sink plugin must do, as a test suite that a plugin's own tests inherit.

    class TestMySink(SinkContract):
        sink_type = "my-sink"
        cannot = {"hang": "why the destination cannot be made to hang"}

        @asynccontextmanager
        async def destination(self) -> AsyncIterator[Destination]:
            async with MyFake() as fake:
                yield fake

Its tests are plain functions, each with an event loop of its own, so pytest needs no plugins to run them.
``docs/writing-a-sink.md`` shows a complete example.
"""

from eventstreams.testing.contract.delivering import DeliveringContract
from eventstreams.testing.contract.failing import FailingContract
from eventstreams.testing.contract.shape import ShapeContract


class SinkContract(ShapeContract, DeliveringContract, FailingContract):
    """All that a sink plugin must do; see the module."""
