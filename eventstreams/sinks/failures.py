"""What a connection that failed says of events, in the words that all sinks have for it."""

import os
import socket
import ssl
from typing import Final

from eventstreams.reasons import RetryReason
from eventstreams.sinks.guard import DestinationForbiddenError
from eventstreams.sinks.outcomes import RetryLater

NONSENSE: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, EOFError)
"""What client libraries raise over an answer that makes no sense: they trust the servers that they talk to."""


def no_answer(timeout_s: float) -> RetryLater:
    """Of a delivery that was given up after so many seconds."""
    return RetryLater(RetryReason.TIMED_OUT, f"no answer within {timeout_s:g} s")


def no_connection(error: OSError, *, whose: str = "its") -> RetryLater:
    """Of an attempt to connect, or of a connection that ended. ``whose``: the certificate, where that is why."""
    match error:
        case DestinationForbiddenError():
            return RetryLater(RetryReason.DESTINATION_FORBIDDEN, error.strerror or "")
        case TimeoutError():
            return RetryLater(RetryReason.TIMED_OUT, "no answer in time")
        case ssl.SSLCertVerificationError():
            detail = f"{whose} certificate is not trusted: {error.verify_message}"
            return RetryLater(RetryReason.CONNECT_FAILED, detail)
        case ssl.SSLError() | socket.gaierror():  # whose numbers are no system's
            return RetryLater(RetryReason.CONNECT_FAILED, error.strerror or type(error).__name__)
        case OSError(errno=int(number)):  # asyncio's own words have the address in them, also where a name was given
            return RetryLater(RetryReason.CONNECT_FAILED, os.strerror(number).lower())
        case _:
            return RetryLater(RetryReason.CONNECT_FAILED, type(error).__name__)
