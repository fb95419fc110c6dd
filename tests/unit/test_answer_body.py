"""Answers that arrive in parts are read to their end, and no further than to their bound."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

import aiohttp
import pytest

from control_api.console.page_request import PageRequest
from control_api.console.send import GATEWAY, _publish
from eventstreams.answer_body import read_at_most
from eventstreams.http import RefusedError

PARTS = (b'{"ids":["EZ', b"0123456789", b'"]}')
BODY = b"".join(PARTS)


@asynccontextmanager
async def answering(status: str, parts: tuple[bytes, ...] = PARTS) -> AsyncIterator[str]:
    """A server whose answers come in ``parts``, each of which the client has read before the next is sent."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status.encode(), sum(map(len, parts))))
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.05)
        except OSError:  # the client has read enough
            pass
        finally:
            writer.close()
            ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await ended.wait()


@pytest.mark.parametrize("most", [1, len(PARTS[0]), len(PARTS[0]) + 1, len(BODY), len(BODY) + 1])
async def test_an_answer_in_parts_is_read_to_its_end_or_its_bound(most: int) -> None:
    async with answering("200 OK") as url, aiohttp.ClientSession() as client, client.get(url) as answer:
        assert await read_at_most(answer, most) == BODY[:most]


def page_of(url: str) -> PageRequest:
    asked = SimpleNamespace(
        request=SimpleNamespace(app={GATEWAY: url}), session=SimpleNamespace(authorization="Basic eDp5")
    )
    return cast(PageRequest, asked)


async def test_the_console_reads_all_of_what_a_gateway_answers() -> None:
    async with answering("202 Accepted") as url:
        assert await _publish(page_of(url), "{}") == "EZ0123456789"

    message = "x" * 5000
    refusal = (b'{"message":"', message.encode(), b'"}')
    async with answering("400 Bad Request", refusal) as url:
        with pytest.raises(RefusedError, match=message):
            await _publish(page_of(url), "{}")
