"""One HTTP/1.1 connection to a destination: a request, its answer, the next request. Bounded; it does not judge.

made ─► idle ─► waiting for the head ─► reading the body ─► idle, or closed if it cannot be used again

A connection on which reading was broken off, or on which unrequested data arrived, is never used again.
"""

import asyncio
import os
import ssl
import threading
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import httptools
from typing_extensions import override

_MAX_LINE: Final = 8190  # bytes of a status line or header: what common servers and clients take
_MAX_FIELDS: Final = 128
_MAX_HEAD: Final = 64 * 1024  # bytes of the head, including those of interim answers before it
_MOST_WIRE: Final = 6  # bytes on the wire for one byte of a body: a chunk of a single byte is 1\r\nx\r\n
_FIRST_FINAL: Final = 200
_SWITCHED: Final = 101
_ENCODING: Final = b"content-encoding"
_FRAMING: Final = (b"content-length", b"transfer-encoding")  # without either, a body ends with its connection
_KEPT: Final = frozenset({_ENCODING, *_FRAMING, b"retry-after", b"etag"})
_READ_BYTES: Final = 64 * 1024
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST"})  # OpenSSL's names of an answer that is no TLS


class Answer(NamedTuple):
    """An answer. A tuple, because one is made for every request.

    Attributes:
        status: The HTTP status code.
        retry_after: The header of that name.
        body: The start of the body, as much as the client reads; empty if it is compressed.
        etag: The header of that name.
        is_whole: Whether ``body`` is complete: not if it is compressed, longer than is read, or broke off.
    """

    status: int
    retry_after: str | None
    body: bytes
    etag: str | None = None
    is_whole: bool = True


class LostError(Exception):
    """The connection ended before the head of an answer. The message contains no text of the other side.

    Attributes:
        is_silent: Whether not a single byte of an answer had come.
    """

    def __init__(self, text: str, *, is_silent: bool) -> None:
        super().__init__(text)
        self.is_silent = is_silent


class BadAnswerError(Exception):
    """The answer is not valid HTTP/1, or its head is too large."""


class _Read(threading.local):
    """The buffer that connections read into. One per thread is enough: data is parsed before the next read.

    For a protocol without a buffer, asyncio allocates 256 KiB for each read, and frees all but some 40 bytes. If the C
    library maps and unmaps that memory each time, it takes 16 µs.
    """

    def __init__(self) -> None:
        self.into = memoryview(bytearray(_READ_BYTES))


_READ: Final = _Read()


class Connection(asyncio.BufferedProtocol):
    """The protocol for ``loop.create_connection``. Serves one request at a time."""

    def __init__(self, *, body_bytes: int, body_s: float, on_lost: "Callable[[Connection], None]") -> None:
        """Create a protocol that is not connected yet.

        Args:
            body_bytes: The most that is read of an answer's body.
            body_s: How long the body is read at most.
            on_lost: Called once, when the connection is gone.
        """
        self._body_bytes = body_bytes
        self._body_s = body_s
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._read = _READ.into
        self._parser = httptools.HttpResponseParser(self)
        # As in aiohttp: tolerates harmless mistakes of real servers.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._transport: asyncio.Transport
        self._waiting: asyncio.Future[Answer] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._begin()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.is_reusable = True
        self._is_ended = False  # the other side has sent EOF
        self.was_used = False
        """Whether it has carried an answer before."""
        self.deadline_s = 0.0
        """When its owner gives up the request, by the loop's clock."""
        self.idle_since_s = 0.0

    def exchange(self, request: bytes, deadline_s: float) -> "asyncio.Future[Answer]":
        """Send ``request``; return a future of the answer. A caller that stops waiting for it must call ``abort``.

        The future's exceptions are ``LostError``, ``BadAnswerError`` and, from ``time_out``, ``TimeoutError``.
        """
        waiting: asyncio.Future[Answer] = self._loop.create_future()
        if self.lost.done():  # lost right after it was made: nothing would ever complete the future
            waiting.set_exception(LostError("it was closed", is_silent=True))
            return waiting
        self._waiting = waiting
        self.deadline_s = deadline_s
        self._transport.write(request)
        return waiting

    def time_out(self) -> None:
        """Give up the request under way."""
        self._fail(TimeoutError())

    def close(self) -> None:
        """Close it; it cannot be used again."""
        self.is_reusable = False
        self._transport.close()

    def abort(self) -> None:
        """Close it at once, dropping what is still to be sent."""
        self.is_reusable = False
        self._transport.abort()

    # -- of the loop -----------------------------------------------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass of it

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return self._read

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self._received(self._read[:nbytes])

    @override
    def eof_received(self) -> None:
        self._is_ended = True
        self.is_reusable = False  # the loop then closes the connection, and ``connection_lost`` completes the answer

    def _received(self, data: memoryview) -> None:
        if self._waiting is None:  # data without a request: it would be taken for the answer to the next one
            self.close()
            return
        self._is_silent = False
        self._head_left -= len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):  # after an upgrade, there is no more HTTP
            self._break_off()
            return
        if not self._is_waiting():
            return
        if self._status:
            # Trailers and chunk extensions are not part of the body, but the parser may keep them: so bound those, too.
            if self._head_left < -_MOST_WIRE * self._body_bytes:
                self._break_off()
            elif self._timer is None:
                self._timer = self._loop.call_later(self._body_s, self._break_off)
        elif self._head_left < 0:
            self._fail(BadAnswerError())

    @override
    def connection_lost(self, error: Exception | None) -> None:
        self.is_reusable = False
        if self._waiting is not None:
            if self._status:
                is_framed = any(name in self._headers for name in _FRAMING)
                self._finish(is_whole=self._is_ended and not is_framed)
            else:
                words = "it was closed" if error is None else in_words(error)
                self._fail(LostError(words, is_silent=self._is_silent))
        if not self.lost.done():
            self.lost.set_result(None)
        self._on_lost(self)

    # -- of the parser ---------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._waiting is None:
            raise BadAnswerError  # a second answer to one request

    def on_status(self, reason: bytes) -> None:
        if len(reason) > _MAX_LINE:
            raise BadAnswerError

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        if self._fields > _MAX_FIELDS or len(name) + len(value) > _MAX_LINE or 0 in value:
            raise BadAnswerError
        name = name.lower()
        if name in _KEPT and name not in self._headers:
            self._headers[name] = value.rstrip(b" \t").decode(errors="surrogateescape")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= _FIRST_FINAL or status == _SWITCHED:  # the parser stops after a 101
            self._status = status

    def on_body(self, data: bytes) -> None:
        if self._waiting is None:
            return
        self._body += data
        if len(self._body) > self._body_bytes:
            self._finish(is_whole=False)

    def on_message_complete(self) -> None:
        if not self._status:  # an interim answer
            self._fields = 0
            self._headers.clear()
        elif self._waiting is not None:
            self._finish(is_whole=True, goes_on=self._parser.should_keep_alive())

    # -- how it ends -----------------------------------------------------------------------------------------------

    def _is_waiting(self) -> bool:
        return self._waiting is not None

    def _begin(self) -> None:
        """Reset the state of the answer."""
        self._status = 0  # until the head is complete
        self._fields = 0
        self._headers: dict[bytes, str] = {}
        self._head_left = _MAX_HEAD
        self._body = b""
        self._is_silent = True

    def _break_off(self) -> None:
        """Stop reading. If the head is complete, it decides the outcome: a truncated body only explains less."""
        if self._waiting is None:
            self.close()
        elif self._status:
            self._finish(is_whole=False)
        else:
            self._fail(BadAnswerError())

    def _finish(self, *, is_whole: bool, goes_on: bool = False) -> None:
        """Complete the answer.

        ``is_whole``: it was read to its end. ``goes_on``: the other side keeps the connection open.
        """
        waiting, self._waiting = self._waiting, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        headers = self._headers
        readable = headers.get(_ENCODING, "identity").lower() == "identity"
        body = self._body[: self._body_bytes] if readable else b""
        if waiting is not None and not waiting.done():
            told = (headers.get(b"retry-after"), body, headers.get(b"etag"))
            waiting.set_result(Answer(self._status, *told, is_whole and readable))
        self.was_used = True
        if not goes_on or self._transport.get_write_buffer_size():  # the latter: it answered too early
            self.abort()
        self._begin()

    def _fail(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.abort()


def in_words(error: Exception) -> str:
    """A short description of a connection error, without any text of the other side."""
    if isinstance(error, ssl.SSLError):
        if error.reason in _NO_TLS:
            return "it does not speak TLS at this port, so https is wrong, or the port"
        return (error.reason or "TLS failed").replace("_", " ").lower()
    if isinstance(error, OSError):
        return "none of its addresses can be reached" if error.errno is None else os.strerror(error.errno).lower()
    return type(error).__name__
