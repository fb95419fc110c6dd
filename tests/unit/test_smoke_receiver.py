"""The receiver of a smoke test: what it takes for a forged delivery, and what for none of its business."""

import asyncio

import aiohttp
from pydantic import SecretStr

from eventstreams.smoke.receiver import SmokeReceiver

TOKEN = SecretStr("the-token")


async def test_what_is_sent_elsewhere_is_no_forged_delivery() -> None:
    receiver = SmokeReceiver(TOKEN)
    async with receiver.listening("127.0.0.1:0", reached_at=None, seen_by="http://127.0.0.1:9"):
        root = receiver.url.rpartition("/")[0]

        async with aiohttp.ClientSession() as client, client.post(f"{root}/wp-login.php", data=b"x") as answer:
            assert answer.status == 404

    assert receiver.forged == 0


async def test_a_signature_that_is_not_ascii_is_a_forged_one() -> None:
    receiver = SmokeReceiver(TOKEN)
    async with receiver.listening("127.0.0.1:0", reached_at=None, seen_by="http://127.0.0.1:9"):
        port = int(receiver.url.split(":")[2].partition("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /eventstreams-smoke HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nX-Twilio-Signature: \xff\r\n\r\n"
        )
        head = await reader.readuntil(b"\r\n")
        writer.close()

    assert head.split()[1] == b"403"
    assert receiver.forged == 1
