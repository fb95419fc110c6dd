"""Requests that no client sends: written as raw bytes, so that no library corrects them."""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from tests.support.contract import check

FORM: Final = "application/x-www-form-urlencoded"
_ANSWER_S: Final = 60.0


@dataclass(frozen=True)
class Answer:
    """The response; ``status`` 0 means that the connection was closed without one."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Request:
    """One request. ``target`` and ``headers`` are sent as they are."""

    method: str
    target: str
    body: bytes | None = None
    content_type: str | None = None
    headers: Sequence[tuple[str, str]] = ()


async def send(url: str, auth: tuple[str, str] | None, request: Request) -> Answer:
    """Send ``request`` with the credentials ``auth``, or none; return the response."""
    lines = [f"{request.method} {request.target} HTTP/1.1", "Host: api"]
    if auth is not None:
        lines.append(f"Authorization: Basic {base64.b64encode(':'.join(auth).encode()).decode()}")
    lines += ["Connection: close", *(f"{name}: {value}" for name, value in request.headers)]
    if request.content_type is not None:
        lines.append(f"Content-Type: {request.content_type}")
    if request.body is not None:
        lines.append(f"Content-Length: {len(request.body)}")
    head = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        writer.write(head + (request.body or b""))
        async with asyncio.timeout(_ANSWER_S):
            answered = await reader.read()
    except ConnectionError:
        answered = b""
    finally:
        writer.close()
    return _parsed(answered)


def judge(request: Request, answer: Answer) -> None:
    """Raise ``AssertionError`` unless ``answer`` is 2xx, or an error in the reference's format."""
    told = f"{request!r:.2000}: {answer!r:.1000}"
    assert answer.status, told
    assert answer.status < 500, told
    assert b"Traceback" not in answer.body, told
    if answer.status < 400:
        return
    assert answer.headers["content-type"].startswith("application/json"), told
    # An Expect that is not known, and what only looks like a request of another replica, come to no operation.
    early = answer.status == HTTPStatus.EXPECTATION_FAILED or "EventStreams-Forwarded" in dict(request.headers)
    path = "/" if early else request.target.partition("?")[0]
    if request.method != "HEAD":  # has no body
        try:
            check(request.method, path, answer.status, answer.body)
        except AssertionError as error:
            raise AssertionError(f"{error}; {told}") from None


def _parsed(answered: bytes) -> Answer:
    head, _, body = answered.partition(b"\r\n\r\n")
    if not head:
        return Answer(0, {}, b"")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split(" ")[1]), headers, body)
