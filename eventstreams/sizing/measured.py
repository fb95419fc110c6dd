"""The figures that a size is made of, and the command that measured each. Pages that name them: performance, budget.

CPU in microseconds of one core for an event, on two cores of an Intel Xeon with Python 3.11 and little else to do.
"""

from typing import Final

EVENT_BYTES: Final = 500
"""Of the events that were measured, as Avro."""
# Of these ``python -m benchmarks.scale --model`` shows how they were fitted, and how far they are off.
ROUTER_FIRST_COPY_US: Final = 20.5
"""To read and match an event, and copy it once."""
ROUTER_NEXT_COPY_US: Final = 15.3
"""For each further copy."""
WORKER_REQUEST_US: Final = 115.2
"""Of a webhook request."""
WORKER_EVENT_US: Final = 58.7
"""Of each event in it."""
LOG_US: Final = 46.2
"""Of a delivery in the delivery log, in each API process."""
KAFKA_DELIVERY_US: Final = 32.5
"""Of a delivery in the broker: the copy, its way to a worker, what is committed and logged of it."""
KIB_US: Final = {"router": 6.1, "worker": 4.3, "api": 0.5, "kafka": 5.4}
"""For each KiB of an event beyond 500 bytes, by role."""

GATEWAY_REQUESTS_PER_S: Final = 4_700
"""That one gateway takes, of an event each: ``python -m benchmarks.gateway``."""

ROUTER_MIB: Final = (180, 0.109)
"""Once it has copied to all, and for each subscription's partition: ``python -m benchmarks.topics``, 288 MiB with
1,000 and 722 MiB with 5,000."""
WORKER_MIB: Final = (75, 0.046)
"""With nothing waiting, and for each partition that it owns: ``python -m benchmarks.topics``, 120 and 303 MiB."""
API_MIB: Final = (90, 0.0024)
"""With nothing, and for each subscription: ``python -m benchmarks.control``, 330 MiB with 100,000."""
GATEWAY_MIB: Final = 256
"""What the chart asks for; its bodies under way are bounded to 64 MiB."""

BROKER_CORES: Final = 2
"""Of the machine that brokers were measured on."""
BROKER_PARTITIONS: Final = 5_000
"""That one broker carried, with a heap of 256 MiB, replicas counted: ``python -m benchmarks.topics``."""

EVENT_HEADER_BYTES: Final = 494
COPY_HEADER_BYTES: Final = 594
ATTEMPT_BYTES: Final = 356
"""``python -m benchmarks.sizes``; on disk, without compression."""

SINK_REQUESTS: Final = 64
"""Requests to one sink at a time from one worker, however long it takes (``sink_workers/gates/gradient.py``)."""
