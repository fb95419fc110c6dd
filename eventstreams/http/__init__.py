"""What our HTTP servers share: the reference's form of errors, authentication by account, bounded bodies."""

from eventstreams.http.auth import ACCOUNT, CALLER, Authenticator, Caller, FailedAttempts, require_account
from eventstreams.http.body import read_body
from eventstreams.http.client_address import ClientAddress
from eventstreams.http.errors import ErrorCode, RefusedError, answer_errors, not_found, unavailable

__all__ = [
    "ACCOUNT",
    "CALLER",
    "Authenticator",
    "Caller",
    "ClientAddress",
    "ErrorCode",
    "FailedAttempts",
    "RefusedError",
    "answer_errors",
    "not_found",
    "read_body",
    "require_account",
    "unavailable",
]
