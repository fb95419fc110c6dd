"""SQS for tests: a queue in moto's server, behind the gate that checks signatures and can misbehave."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp
import orjson
from aiohttp import web
from typing_extensions import override

from sink_workers.plugins.aws.signing import Endpoint
from tests.support.kinesis import ACCOUNT, OWN_KEY, REGION, Stream, serving

_THROTTLED: Final = {"SenderFault": False, "Code": "RequestThrottled", "Message": "Rate exceeded."}
_REFUSED: Final = {"SenderFault": True, "Code": "InvalidMessageContents", "Message": "Not that."}


@dataclass(slots=True)
class Queue(Stream):
    """One queue in moto. Attributes as of a stream; ``refuses`` says which messages fail for good."""

    refused: Sequence[str] = ()
    received: list[Mapping[str, object]] = field(default_factory=list)

    @property
    @override
    def arn(self) -> str:
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{self.name}"

    async def make(self) -> None:
        fifo = {"FifoQueue": "true"} if self.name.endswith(".fifo") else {}
        await self.call("CreateQueue", {"QueueName": self.name, "Attributes": fifo})

    async def messages(self) -> Sequence[Mapping[str, object]]:
        """Every message that was ever in the queue: they are taken out as they are looked at."""
        url = f"{self.moto}{ACCOUNT}/{self.name}"
        while True:
            wanted = {"MaxNumberOfMessages": 10, "AttributeNames": ["All"], "VisibilityTimeout": 600}
            page = (await self.call("ReceiveMessage", {"QueueUrl": url, **wanted})).get("Messages") or []
            assert isinstance(page, list)
            if not page:
                return self.received
            self.received += page
            for each in page:
                await self.call("DeleteMessage", {"QueueUrl": url, "ReceiptHandle": each["ReceiptHandle"]})

    @override
    async def call(self, name: str, parameters: Mapping[str, object]) -> Mapping[str, object]:
        headers = {"X-Amz-Target": f"AmazonSQS.{name}", "Content-Type": "application/x-amz-json-1.0"}
        request = Endpoint("sqs", REGION, self.moto, is_operators=True).signed(
            OWN_KEY, headers, orjson.dumps(parameters)
        )
        async with self._one, self.http.post(self.moto, data=request.body, headers=request.headers) as answer:
            body = await answer.read()
            assert answer.status == 200, body
            parsed: Mapping[str, object] = orjson.loads(body) if body else {}
            return parsed

    @override
    async def _put(self, request: web.Request, parameters: dict[str, object]) -> web.StreamResponse:
        entries = parameters["Entries"]
        assert isinstance(entries, list)
        taken, failed = [], []
        for entry in entries:
            event_id = str(orjson.loads(entry["MessageBody"])["id"])
            if event_id in self.refused:
                failed.append({"Id": entry["Id"], **_REFUSED})
            elif self.throttles(event_id):
                failed.append({"Id": entry["Id"], **_THROTTLED})
            else:
                taken.append(entry)
        self.puts.append(([str(orjson.loads(each["MessageBody"])["id"]) for each in taken], ()))
        if not taken:
            return web.json_response({"Failed": failed})
        answer = await self._forward(request, orjson.dumps({**parameters, "Entries": taken}))
        if answer.status != 200:
            return answer
        assert isinstance(answer.body, bytes)
        return web.json_response({**orjson.loads(answer.body), "Failed": failed})


@asynccontextmanager
async def queue_behind_gate(moto: str, name: str) -> AsyncIterator[Queue]:
    """Create a queue that accepts everything from holders of its role."""
    async with aiohttp.ClientSession() as http:
        queue = Queue(moto, name, http, writes="SendMessageBatch")
        await queue.make()
        async with serving(queue):
            yield queue
