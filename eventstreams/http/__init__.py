"""What our HTTP servers share: the reference's form of errors, authentication by account, bounded bodies."""

from eventstreams.http.auth import ACCOUNT, Authenticator, require_account
from eventstreams.http.body import read_body
from eventstreams.http.errors import ErrorCode, RefusedError, answer_errors, not_found, unavailable

__all__ = [
    "ACCOUNT",
    "Authenticator",
    "ErrorCode",
    "RefusedError",
    "answer_errors",
    "not_found",
    "read_body",
    "require_account",
    "unavailable",
]
