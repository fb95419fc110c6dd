"""Turns every error of our HTTP servers into the reference's JSON: ``{code, message, more_info, status, details?}``."""

import re
from collections.abc import Mapping
from enum import IntEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, Self

import orjson
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from eventstreams.errors import EventStreamsError
from eventstreams.sids import has_capitals
from eventstreams.telemetry.logging import get_logger

MORE_INFO: Final = "https://www.twilio.com/docs/errors"
CASE_COUNTS: Final = "SIDs are case-sensitive, and those created here have lower-case digits"
_WORDS: Final = re.compile(r"\w+")
# Characters. aiohttp parses it with Python's mail parser, which takes 0.8 s for 8 KiB of semicolons, and blocks the
# event loop meanwhile.
_MOST_CONTENT_TYPE: Final = 256
_UNAVAILABLE_RETRY_S: Final = "2"  # about as long as a broker's failover takes
_NONE: Final[Mapping[str, str]] = MappingProxyType({})

_log = get_logger(__name__)


class DescribedCode(IntEnum):
    """An error code of the reference, with its meaning as worded in the documentation."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        """A member whose value is the number ``code``."""
        made = int.__new__(cls, code)
        made._value_ = code
        made.meaning = meaning
        return made


class ErrorCode(DescribedCode):
    """The reference's general codes; those of sinks and subscriptions are 91000 and up."""

    BAD_PARAMETER = 20001, "a parameter is missing or invalid, or an `Idempotency-Key` was used for another request"
    UNAUTHENTICATED = 20003, "no credentials, or wrong ones"
    METHOD_NOT_ALLOWED = 20004, "the path does not support this method"
    FORBIDDEN = 20403, "the API key's scope does not allow it"
    NOT_FOUND = 20404, "there is no such resource, or it belongs to another account"
    TIMED_OUT = 20408, "the body took longer than ten seconds"
    CONFLICT = 20409, "not allowed in the current state, such as for a restricted event type: the message says why"
    TOO_LARGE = 20413, "the body, or the answer that would have to be stored, is too large"
    UNSUPPORTED_MEDIA_TYPE = 20415, "the body has a content type that the operation does not accept"
    TOO_MANY_REQUESTS = 20429, "too many requests, or too many wrong credentials: `Retry-After` says when to try again"
    INTERNAL = 20500, "an internal error, which is logged"
    UNAVAILABLE = 20503, "temporarily unavailable: the same request may succeed later"


CODES: Final[Mapping[int, int]] = {
    HTTPStatus.UNAUTHORIZED: ErrorCode.UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: ErrorCode.FORBIDDEN,
    HTTPStatus.METHOD_NOT_ALLOWED: ErrorCode.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT: ErrorCode.TIMED_OUT,
    HTTPStatus.CONFLICT: ErrorCode.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.TOO_MANY_REQUESTS: ErrorCode.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR: ErrorCode.INTERNAL,
    HTTPStatus.SERVICE_UNAVAILABLE: ErrorCode.UNAVAILABLE,
}


class RefusedError(EventStreamsError):
    """Refuses a request: raised by handlers, turned into an error answer by ``answer_errors``.

    Attributes:
        status: HTTP status, 400 or above.
        code: The reference's code; by default the general one for ``status``.
        details: JSON that says more, such as the offending positions. None: the answer has no ``details``.
        headers: Extra headers of the answer.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = HTTPStatus.BAD_REQUEST,
        code: int | None = None,
        details: Mapping[str, object] | None = None,
        headers: Mapping[str, str] = _NONE,
    ) -> None:
        # Names from a request may hold bytes that are not UTF-8, as lone surrogates, which JSON cannot hold.
        super().__init__(message.encode(errors="replace").decode())
        self.status = status
        self.code = CODES.get(status, ErrorCode.BAD_PARAMETER) if code is None else code
        self.details = details
        self.headers = headers


def error_answer(error: RefusedError) -> web.Response:
    """``error`` in the reference's format."""
    message = str(error)
    if error.status == HTTPStatus.NOT_FOUND and any(map(has_capitals, _WORDS.findall(message))):
        message += f": {CASE_COUNTS}"  # whatever was looked up, and wherever its SID came from
    body: dict[str, object] = {
        "code": int(error.code),
        "message": message,
        "more_info": f"{MORE_INFO}/{error.code:d}",
        "status": int(error.status),
    }
    if error.details is not None:
        body["details"] = error.details
    return web.Response(
        status=error.status, body=orjson.dumps(body), content_type="application/json", headers=error.headers
    )


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The outermost middleware: puts every error into this format, and reveals nothing of our internals.

    An ``EventStreamsError`` that no handler dealt with is for the operator to solve (Kafka is down, a key is missing)
    and is temporary: 503. Any other exception is a bug of ours: 500. Both are logged. If the client has gone, nobody
    gets the answer, and it is counted as the client's fault (400).
    """
    try:
        _refuse_long_type(request)
        return await handler(request)
    except RefusedError as error:
        return error_answer(error)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return error_answer(from_aiohttp(request, error))
    except EventStreamsError as error:
        _log.error("request.unavailable", method=request.method, path=request.path, error=str(error))
        return error_answer(unavailable("The service cannot do this right now: try again"))
    except Exception as error:  # noqa: BLE001 - the seam: whatever it is, the client gets an answer
        if isinstance(error, ConnectionError) and (request.transport is None or request.transport.is_closing()):
            return error_answer(RefusedError("The connection ended before the request was answered"))
        _log.exception("request.failed", method=request.method, path=request.path, follows="answered with 500")
        return error_answer(RefusedError("Internal error", status=HTTPStatus.INTERNAL_SERVER_ERROR))


def _refuse_long_type(request: web.Request) -> None:
    """Raise ``RefusedError`` (415) before anything parses the ``content_type`` of ``request``."""
    if len(request.headers.get(hdrs.CONTENT_TYPE, "")) > _MOST_CONTENT_TYPE:
        message = f"Content-Type has more than {_MOST_CONTENT_TYPE} characters"
        raise RefusedError(message, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


def unavailable(message: str, *, details: Mapping[str, object] | None = None) -> RefusedError:
    """503 with ``Retry-After``: the same request can succeed later."""
    return RefusedError(
        message,
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        details=details,
        headers={hdrs.RETRY_AFTER: _UNAVAILABLE_RETRY_S},
    )


def not_found(request: web.BaseRequest) -> RefusedError:
    """The reference's 404; the same for what does not exist and for what is another account's."""
    return RefusedError(f"The requested resource {request.path} was not found", status=HTTPStatus.NOT_FOUND)


def from_aiohttp(request: web.BaseRequest, error: web.HTTPException) -> RefusedError:
    """Our form of the error with which aiohttp refused ``request``."""
    match error:
        case web.HTTPNotFound():
            return not_found(request)
        case web.HTTPMethodNotAllowed():
            message = f"{request.method} is not allowed here, only {', '.join(sorted(error.allowed_methods))}"
        case web.HTTPRequestEntityTooLarge():
            message = "The body is too large"
        case _:
            message = error.text or error.reason
    kept = (hdrs.ALLOW, hdrs.RETRY_AFTER, hdrs.WWW_AUTHENTICATE)
    headers = {str(name): error.headers[name] for name in kept if name in error.headers}
    return RefusedError(message, status=error.status, headers=headers)
