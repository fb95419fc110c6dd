"""Errors below the application, in the same format; bytes that are not HTTP never get into a log."""

import re
import sys
from http import HTTPStatus
from typing import Final

from aiohttp import web
from typing_extensions import override

from eventstreams.http.errors import RefusedError, error_answer, from_aiohttp
from eventstreams.telemetry.logging import get_logger

_WORDS: Final = re.compile(r"[\w -]+")  # the start of aiohttp's messages; punctuation separates it from what was sent
_log = get_logger(__name__)


class ConnectionHandler(web.RequestHandler):
    """aiohttp's handler of one connection, with the errors of its parser and internals in our format."""

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Make the error answer; the connection is closed after it.

        Raises:
            ConnectionError: part of another answer was already sent.
        """
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or request.writer.output_size > 0:
            super().handle_error(request, status, exc, message)  # which logs it, or raises
            answer = error_answer(RefusedError("Internal error", status=status))
        else:
            found = _WORDS.match(message or "")
            problem = (found.group().strip() if found else "") or HTTPStatus(status).phrase
            _log.debug("request.unreadable", remote=request.remote, problem=problem)
            answer = error_answer(RefusedError(f"The request is not valid HTTP: {problem}", status=status))
        answer.force_close()
        return answer

    @override
    def log_exception(self, *args: object, **kw: object) -> None:
        """Like aiohttp's, but does not report an unread body that was unreadable: that is no fault of ours."""
        if isinstance(sys.exception(), web.RequestPayloadError):
            _log.debug("request.unreadable", problem="its body cannot be read")
        else:
            super().log_exception(*args, **kw)

    @override
    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Like aiohttp's, but puts its refusals before any middleware (such as of ``Expect``) into our format."""
        if isinstance(resp, web.HTTPException) and resp.status >= HTTPStatus.BAD_REQUEST:
            resp = error_answer(from_aiohttp(request, resp))
        return await super().finish_response(request, resp, start_time)
