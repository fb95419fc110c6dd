"""Reads the body of an HTTP answer, up to a bound. aiohttp's ``read(n)`` returns what is there: a part, or less."""

import aiohttp


async def read_at_most(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """The body of ``answer``, to its end; truncated at ``most`` bytes."""
    raw = bytearray()
    async for part in answer.content.iter_any():
        raw += part
        if len(raw) >= most:
            break
    return bytes(raw[:most])
