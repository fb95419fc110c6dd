"""Reads request bodies: bounded in size by the application's ``client_max_size``, and in time here."""

import asyncio
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web

from eventstreams.http.errors import RefusedError

_BODY_S: Final = 10.0  # a body of 1 MiB at 1 Mbit/s; slower clients hold memory for too long

_ENCODINGS: Final = frozenset({"identity", "gzip", "deflate"})  # aiohttp reads a body of unknown encoding as it is


async def read_body(request: web.Request, *, timeout_s: float = _BODY_S) -> bytes:
    """The whole body, decompressed as ``Content-Encoding`` says.

    Raises:
        RefusedError: 413 if it is larger than the application accepts (checked before reading if the client declares
            the length), 408 if it took longer than ``timeout_s``, 400 if it is cut off or wrongly encoded, 415 if its
            encoding is not supported.
        ConnectionError: the client has gone; ``answer_errors`` handles that.
    """
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() not in _ENCODINGS:
        message = "Content-Encoding must be gzip or deflate, or absent"
        raise RefusedError(message, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    limit = request.client_max_size
    too_large = RefusedError(f"The body is larger than {limit} bytes", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if request.content_length is not None and request.content_length > limit:
        raise too_large
    try:
        async with asyncio.timeout(timeout_s):
            return await request.read()
    except TimeoutError:
        message = f"The body did not arrive within {timeout_s:g} seconds"
        raise RefusedError(message, status=HTTPStatus.REQUEST_TIMEOUT) from None
    except web.HTTPRequestEntityTooLarge:
        raise too_large from None
    except web.RequestPayloadError as error:
        raise RefusedError(f"The body cannot be read: {error}") from None
