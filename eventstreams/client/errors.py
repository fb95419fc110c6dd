"""The error of calls to the API."""

from eventstreams.errors import EventStreamsError


class ApiError(EventStreamsError):
    """The API refused, or did not answer.

    Attributes:
        status: The HTTP status; None if there was no answer.
        code: The reference's error code; None if there was no answer in its format.
        message: What was wrong, and what would be right.
        retry_is_safe: The same call can succeed later, and is not executed twice if it is repeated (a POST: with
            ``idempotency_key``).
        idempotency_key: The key that the request was sent with; None if it had none.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: int | None = None,
        retry_is_safe: bool = False,
        idempotency_key: str | None = None,
    ) -> None:
        super().__init__(message if code is None else f"the API refuses: {message} (code {code})")
        self.message = message
        self.status = status
        self.code = code
        self.retry_is_safe = retry_is_safe
        self.idempotency_key = idempotency_key
