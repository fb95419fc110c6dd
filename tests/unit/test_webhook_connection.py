"""One connection of the HTTP client, where the client's own tests cannot tell when it ends."""

import asyncio

import pytest

from sink_workers.plugins.webhook.connection import Connection, LostError


async def test_one_that_ended_before_its_first_request_says_so_at_once() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    ended: list[Connection] = []
    async with server:
        host, port = server.sockets[0].getsockname()
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(body_bytes=1, body_s=1.0, on_lost=ended.append), host, port
        )
        await connection.lost

        with pytest.raises(LostError, match="it was closed") as raised:
            await asyncio.wait_for(connection.exchange(b"", loop.time() + 600), 60)

    assert raised.value.is_silent
    assert ended == [connection]


async def test_an_answer_stays_as_it_is_when_another_connection_is_read() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = (await reader.readexactly(1)) * 3
        writer.write(b"HTTP/1.1 200 OK\r\nETag: %b\r\nContent-Length: 3\r\n\r\n%b" % (said, said))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        loop = asyncio.get_running_loop()
        answers = []
        for said in (b"a", b"b"):
            _, connection = await loop.create_connection(
                lambda: Connection(body_bytes=16, body_s=60.0, on_lost=lambda _: None), host, port
            )
            answers.append(await asyncio.wait_for(connection.exchange(said, loop.time() + 600), 60))
            await connection.lost

    assert [(each.body, each.etag) for each in answers] == [(b"aaa", "aaa"), (b"bbb", "bbb")]
