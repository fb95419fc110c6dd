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
