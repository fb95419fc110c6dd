"""Outcomes for failed connections, worded the same for all sinks."""

import os
import socket
import ssl
from typing import Final

from eventstreams.reasons import RetryReason
from eventstreams.sinks.guard import DestinationForbiddenError
from eventstreams.sinks.outcomes import RetryLater

NONSENSE: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, EOFError)
"""What client libraries raise over a nonsensical answer, since they trust the servers that they talk to."""


def no_answer(timeout_s: float) -> RetryLater:
    """The outcome of a delivery that was given up after ``timeout_s`` seconds."""
    return RetryLater(RetryReason.TIMED_OUT, f"no answer within {timeout_s:g} s")


def no_connection(error: OSError, *, whose: str = "its") -> RetryLater:
    """The outcome of a failed or broken connection. ``whose``: owner of the certificate, if that is the problem."""
    match error:
        case DestinationForbiddenError():
            return RetryLater(RetryReason.DESTINATION_FORBIDDEN, error.strerror or "")
        case TimeoutError():
            return RetryLater(RetryReason.TIMED_OUT, "no answer in time")
        case ssl.SSLCertVerificationError():
            detail = f"{whose} certificate is not trusted: {error.verify_message}"
            return RetryLater(RetryReason.CONNECT_FAILED, detail)
        case ssl.SSLError() | socket.gaierror():  # their numbers are not the system's errno
            return RetryLater(RetryReason.CONNECT_FAILED, error.strerror or type(error).__name__)
        case OSError(errno=int(number)):  # asyncio's own text contains the address even if a name was configured
            return RetryLater(RetryReason.CONNECT_FAILED, os.strerror(number).lower())
        case _:
            return RetryLater(RetryReason.CONNECT_FAILED, type(error).__name__)
