"""Records that Kafka takes, although whoever reads 64 bits reads other lengths than Kafka, which reads 32."""

import subprocess
import sys

import pytest

LONG = r"\x82\x80\x80\x80\x10"
"""1 in 32 bits, as Kafka reads it; 2,147,483,649 in 64, as aiokafka does. That reads there, and the process is gone."""

READ = r"""
import struct, sys
from router.batches import Batch
from router.record_format import varint

LONG = b"{long}"
body = {{
    "key": b"\0\0\0" + LONG + b"k\x02v\x00",
    "value": b"\0\0\0\x02k" + LONG + b"v\x00",
    "headers": b"\0\0\0\x02k\x02v" + LONG + b"\x02n\x02h",
    "header": b"\0\0\0\x02k\x02v\x02" + LONG + b"n\x02h",
    "record": b"\0\0\0\x02k\x02v\x00",
}}["{which}"]
length = varint(len(body))
if "{which}" == "record":
    length = bytes((length[0] | 0x80, 0x80, 0x80, 0x80, 0x10))
records = (length + body) * 2
raw = struct.pack(">qiibIhiqqqhii", 0, 49 + len(records), 0, 2, 0, 8, 1, 0, 0, -1, -1, -1, 2) + records
try:
    opened = Batch(raw).open()
    for at, *_ in opened:
        opened.record(at)
except Exception as error:
    print("raised", error)
"""


@pytest.mark.parametrize("which", ["key", "value", "headers", "header", "record"])
def test_a_length_that_lies_does_not_end_the_process(which: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", READ.format(long=LONG, which=which)], capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, f"signal {-run.returncode}"
