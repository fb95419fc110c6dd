"""``SinkContract``: what every sink plugin must do, as a test-suite that a plugin's own suite inherits.

    class TestMySink(SinkContract):
        sink_type = "my-sink"
        cannot = {"hang": "why the destination cannot be made to hang"}

        @asynccontextmanager
        async def destination(self) -> AsyncIterator[Destination]:
            async with MyFake() as fake:
                yield fake

Its tests are plain functions, each with an event loop of its own: pytest runs them without any plugin of pytest.
``docs/writing-a-sink.md`` shows a whole one.
"""

from eventstreams.testing.contract.delivering import DeliveringContract
from eventstreams.testing.contract.failing import FailingContract
from eventstreams.testing.contract.shape import ShapeContract


class SinkContract(ShapeContract, DeliveringContract, FailingContract):
    """All that a sink plugin must do; see the module."""
