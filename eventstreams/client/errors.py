"""What a call to the API can end with."""

from eventstreams.errors import EventStreamsError


class ApiError(EventStreamsError):
    """The API refused, or did not answer.

    Attributes:
        status: The HTTP status; None: there was no answer.
        code: The reference's error code; None: there was no answer in its form.
        message: What is wrong, and how to fix it.
        retry_is_safe: The same call can succeed later, and is not carried out twice if it is made again (of a POST:
            with ``idempotency_key``).
        idempotency_key: What the request went under; None where it was no POST.
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
