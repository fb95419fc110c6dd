"""One HTTP/1.1 connection to a destination: a request, its answer, the next request. Bounded; it judges nothing.

made ─► idle ─► waiting for the head ─► reading the body ─► idle, or closed where it cannot be used again

A connection that was cut off in between, or on which anything came that was not asked for, is never used again.
"""

import asyncio
import os
import ssl
import threading
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import httptools
from typing_extensions import override

_MAX_LINE: Final = 8190  # of a status line, and of a header: what common servers and clients take
_MAX_FIELDS: Final = 128
_MAX_HEAD: Final = 64 * 1024  # with the heads of interim answers before it
_MOST_WIRE: Final = 6  # bytes on the wire for one of a body: in chunks of a single one, as 1\r\nx\r\n
_FIRST_FINAL: Final = 200
_SWITCHED: Final = 101
_ENCODING: Final = b"content-encoding"
_FRAMING: Final = (b"content-length", b"transfer-encoding")  # without either a body lasts as long as its connection
_KEPT: Final = frozenset({_ENCODING, *_FRAMING, b"retry-after", b"etag"})
_READ_BYTES: Final = 64 * 1024


class Answer(NamedTuple):
    """Status, and the start of the body, as far as its client reads it; empty where it is compressed.

    ``retry_after`` and ``etag`` are headers of these names. ``is_whole``: ``body`` is all that was said; not so where
    it is compressed, or longer than is read, or broke off. A tuple, as one is made for every request.
    """

    status: int
    retry_after: str | None
    body: bytes
    etag: str | None = None
    is_whole: bool = True


class LostError(Exception):
    """The connection ended before the head of an answer; in a few words, none of them the other side's.

    Attributes:
        is_silent: Not a byte of an answer had come.
    """

    def __init__(self, text: str, *, is_silent: bool) -> None:
        super().__init__(text)
        self.is_silent = is_silent


class BadAnswerError(Exception):
    """What came is no answer in HTTP/1, or its head is too large."""


class _Read(threading.local):
    """Where connections read into: one of a thread, as what one has read is looked at before another reads.

    A protocol without it has 256 KiB made for each read, and all of it given back but some 40 bytes. Where the C
    library has that mapped and unmapped each time, it takes 16 µs.
    """

    def __init__(self) -> None:
        self.into = memoryview(bytearray(_READ_BYTES))


_READ: Final = _Read()


class Connection(asyncio.BufferedProtocol):
    """Made by ``loop.create_connection``. Only for one request at a time."""

    def __init__(self, *, body_bytes: int, body_s: float, on_lost: "Callable[[Connection], None]") -> None:
        """A connection that is not there yet.

        Args:
            body_bytes: Most that is read of an answer's body.
            body_s: For how long it is read.
            on_lost: Called once, when it is no more.
        """
        self._body_bytes = body_bytes
        self._body_s = body_s
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._read = _READ.into
        self._parser = httptools.HttpResponseParser(self)
        # As aiohttp has it: what real servers get wrong without meaning harm.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._transport: asyncio.Transport
        self._waiting: asyncio.Future[Answer] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._begin()
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.is_reusable = True
        self._is_ended = False  # the other side says nothing more
        self.was_used = False
        """Whether it has carried an answer before."""
        self.deadline_s = 0.0
        """When its owner gives the request up; of the loop's clock."""
        self.idle_since_s = 0.0

    def exchange(self, request: bytes, deadline_s: float) -> "asyncio.Future[Answer]":
        """Send ``request``. Whoever stops waiting for the answer must ``abort``.

        The future's exceptions are ``LostError``, ``BadAnswerError`` and, from ``time_out``, ``TimeoutError``.
        """
        waiting: asyncio.Future[Answer] = self._loop.create_future()
        if self.lost.done():  # as soon as it was made: nobody would tell of an answer that cannot come
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
        """End it; it is used for nothing more."""
        self.is_reusable = False
        self._transport.close()

    def abort(self) -> None:
        """End it at once, whatever is still to be sent."""
        self.is_reusable = False
        self._transport.abort()

    # -- of the loop -----------------------------------------------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return self._read

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self._received(self._read[:nbytes])

    @override
    def eof_received(self) -> None:
        self._is_ended = True
        self.is_reusable = False  # the loop closes it; what was asked for last may have come

    def _received(self, data: memoryview) -> None:
        if self._waiting is None:  # an answer before the request: it would be taken for that of the next one
            self.close()
            return
        self._is_silent = False
        self._head_left -= len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):  # an upgrade: after its answer, no HTTP
            self._break_off()
            return
        if not self._is_waiting():
            return
        if self._status:
            # Of trailers and of what stands beside a chunk's size the body has nothing, and the parser may keep it.
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
        if status >= _FIRST_FINAL or status == _SWITCHED:  # after which the parser goes no further
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
        """Have nothing of an answer."""
        self._status = 0  # until the head is complete
        self._fields = 0
        self._headers: dict[bytes, str] = {}
        self._head_left = _MAX_HEAD
        self._body = b""
        self._is_silent = True

    def _break_off(self) -> None:
        """Nothing more can be read. Where there is a head, it has decided: what is missing only explains less."""
        if self._waiting is None:
            self.close()
        elif self._status:
            self._finish(is_whole=False)
        else:
            self._fail(BadAnswerError())

    def _finish(self, *, is_whole: bool, goes_on: bool = False) -> None:
        """``is_whole``: the answer was read to its end. ``goes_on``: so does the other side with this connection."""
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
        if not goes_on or self._transport.get_write_buffer_size():  # or it answered before it had read it all
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
    """What a failed connection says of itself, in a few words, none of them the other side's."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "TLS failed").replace("_", " ").lower()
    if isinstance(error, OSError):
        return "not to any of its addresses" if error.errno is None else os.strerror(error.errno).lower()
    return type(error).__name__
