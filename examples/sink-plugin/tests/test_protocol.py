"""The commands to beanstalkd, and what its responses mean."""

import pytest

from eventstreams.sinks import DeadReason, Delivered, DeliveryOutcome, Rejected, RetryLater, RetryReason
from eventstreams_beanstalk.protocol import OutOfStepError, judge, put, use


def test_commands_end_in_a_line_and_jobs_say_their_length_in_bytes() -> None:
    assert use("events") == b"use events\r\n"
    assert put('{"a":"ü"}'.encode()) == b'put 1024 0 60 10\r\n{"a":"\xc3\xbc"}\r\n'


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"INSERTED 7\r\n", Delivered()),
        (b"BURIED 7\r\n", Delivered()),
        (b"JOB_TOO_BIG\r\n", Rejected(DeadReason.TOO_LARGE, "beanstalkd says JOB_TOO_BIG: see its option -z")),
        (b"DRAINING\r\n", RetryLater(RetryReason.SERVER_ERROR, "beanstalkd says DRAINING")),
        (b"OUT_OF_MEMORY\r\n", RetryLater(RetryReason.SERVER_ERROR, "beanstalkd says OUT_OF_MEMORY")),
    ],
)
def test_each_answer_means_something_for_its_job(answer: bytes, outcome: DeliveryOutcome) -> None:
    assert judge(answer) == outcome


@pytest.mark.parametrize("answer", [b"\r\n", b"MOO\r\n", b"INSERTED\r\n", b"HTTP/1.1 400 Bad Request\r\n"])
def test_an_answer_that_is_none_means_nothing(answer: bytes) -> None:
    with pytest.raises(OutOfStepError):
        judge(answer)
