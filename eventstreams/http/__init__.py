"""What our HTTP servers share: errors in the reference's format, authentication by account, bounded bodies."""

from eventstreams.http.auth import ACCOUNT, CALLER, Authenticator, Caller, FailedAttempts, require_account
from eventstreams.http.body import read_body
from eventstreams.http.client_address import ClientAddress
from eventstreams.http.errors import (
    CASE_COUNTS,
    DescribedCode,
    ErrorCode,
    RefusedError,
    answer_errors,
    not_found,
    unavailable,
)
from eventstreams.http.metered import metered

__all__ = [
    "ACCOUNT",
    "CALLER",
    "CASE_COUNTS",
    "Authenticator",
    "Caller",
    "ClientAddress",
    "DescribedCode",
    "ErrorCode",
    "FailedAttempts",
    "RefusedError",
    "answer_errors",
    "metered",
    "not_found",
    "read_body",
    "require_account",
    "unavailable",
]
