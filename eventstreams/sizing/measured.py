"""The figures that a size is made of, and the command that measured each. Pages that name them: performance, budget.

CPU in microseconds of one core for an event, on two cores of an AMD EPYC with Python 3.11.
"""

from typing import Final

ROUTER_FIRST_COPY_US: Final = 12.0
"""To read and match an event, and copy it once: ``python -m benchmarks.router``, fan-out 1."""
ROUTER_NEXT_COPY_US: Final = 6.5
"""For each further copy: ``python -m benchmarks.router``, 3 of 10 (25 µs), less the first."""
WORKER_REQUEST_US: Final = 175.0
"""Of a webhook request: ``python -m benchmarks.pipes webhook``, 232 µs one by one, less the event. At loads of 40 to
100, so an upper bound."""
WORKER_EVENT_US: Final = 57.0
"""Of each event in it: ``python -m benchmarks.pipes webhook --batches``, 59 µs in requests of 100."""
GATEWAY_REQUESTS_PER_S: Final = 4_700
"""That one gateway takes, of an event each: ``python -m benchmarks.gateway``."""

ROUTER_MIB: Final = (180, 0.109)
"""Once it has copied to all, and for each subscription's partition: ``python -m benchmarks.topics``, 288 MiB with
1,000 and 722 MiB with 5,000."""
WORKER_MIB: Final = (75, 0.046)
"""With nothing waiting, and for each partition that it owns: ``python -m benchmarks.topics``, 120 and 303 MiB."""
API_MIB: Final = 330
"""With 100,000 subscriptions: ``python -m benchmarks.control``. Fewer take less."""
GATEWAY_MIB: Final = 256
"""What the chart asks for; its bodies under way are bounded to 64 MiB."""

BROKER_PARTITIONS: Final = 5_000
"""That one broker carried, with a heap of 256 MiB, replicas counted: ``python -m benchmarks.topics``."""

EVENT_HEADER_BYTES: Final = 494
COPY_HEADER_BYTES: Final = 594
ATTEMPT_BYTES: Final = 356
"""``python -m benchmarks.sizes``; on disk, without compression."""

SINK_REQUESTS: Final = 64
"""Requests to one sink at a time from one worker, however long it takes (``sink_workers/gradient.py``)."""
