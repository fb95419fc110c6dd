"""CRC-32C, the checksum of Kafka's record batches, by the processor's own instruction.

aiokafka calculates it from tables while holding the interpreter's lock: 0.7 µs for an event of 900 bytes. Here it
takes a tenth of that.
"""

from typing import Final

import google_crc32c
from aiokafka.record.util import calc_crc32c

_AT_ONCE: Final = 1 << 16  # bytes: each part is copied, as the library takes ``bytes`` only, and stays in the cache
# On machines without a wheel the library is plain Python, and aiokafka's is faster.
_IS_COMPILED: Final = google_crc32c.implementation == "c"


def crc32c(raw: memoryview | bytes) -> int:
    """Return the CRC-32C of ``raw``."""
    if not _IS_COMPILED:
        return int(calc_crc32c(raw))
    found = 0
    for first in range(0, len(raw), _AT_ONCE):
        found = google_crc32c.extend(found, bytes(raw[first : first + _AT_ONCE]))
    return int(found)
