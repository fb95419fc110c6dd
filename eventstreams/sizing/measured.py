"""The measured figures behind a size, and the command that measured each. Also on the pages performance and budget.

CPU is in microseconds of one core per event, on two otherwise mostly idle cores of an Intel Xeon with Python 3.11.
"""

from typing import Final

EVENT_BYTES: Final = 500
"""Size of the events that were measured, as Avro."""
# ``python -m benchmarks.scale --model`` shows how the following were fitted, and how far they are off.
ROUTER_FIRST_COPY_US: Final = 20.5
"""To read and match an event, and copy it once."""
ROUTER_NEXT_COPY_US: Final = 15.3
"""For each further copy."""
WORKER_REQUEST_US: Final = 115.2
"""For a webhook request."""
WORKER_EVENT_US: Final = 58.7
"""For each event in it."""
LOG_US: Final = 46.2
"""For a delivery in the delivery log, in each API process."""
KAFKA_DELIVERY_US: Final = 32.5
"""For a delivery in the broker: its copy, fetching it, and what is committed and logged of it."""
KIB_US: Final = {"router": 6.1, "worker": 4.3, "api": 0.5, "kafka": 5.4}
"""For each KiB of an event beyond 500 bytes, by role."""

GATEWAY_REQUESTS_PER_S: Final = 4_700
"""Requests with one event each that one gateway can handle: ``python -m benchmarks.gateway``."""

ROUTER_MIB: Final = (180, 0.109)
"""Base, and increment for each subscription's partition, after copying to all of them: ``python -m benchmarks.topics``,
288 MiB with 1,000 and 722 MiB with 5,000."""
WORKER_MIB: Final = (75, 0.046)
"""Base with nothing waiting, and increment for each partition that it owns: ``python -m benchmarks.topics``, 120 and
303 MiB."""
API_MIB: Final = (90, 0.0024)
"""Base, and increment for each subscription: ``python -m benchmarks.control``, 330 MiB with 100,000."""
GATEWAY_MIB: Final = 256
"""What the chart requests; the bodies that it holds at once are bounded to 64 MiB."""

BROKER_CORES: Final = 2
"""Cores of the machine on which brokers were measured."""
BROKER_PARTITIONS: Final = 5_000
"""Partitions, including replicas, that one broker carried with a heap of 256 MiB: ``python -m benchmarks.topics``."""

EVENT_HEADER_BYTES: Final = 494
COPY_HEADER_BYTES: Final = 594
ATTEMPT_BYTES: Final = 356
"""``python -m benchmarks.sizes``; on disk, without compression."""

SINK_REQUESTS: Final = 64
"""The most concurrent requests to one sink from one worker, however slow it is (``sink_workers/gates/gradient.py``)."""
