"""A sink into memory, with a destination that offers every ability: what the sink contract itself is tested with."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from enum import Enum, auto

import orjson
from pydantic import BaseModel, ConfigDict, SecretStr
from typing_extensions import override

from eventstreams.sinks import (
    Capabilities,
    DeadReason,
    Delivered,
    DeliveryOutcome,
    OutboundEvent,
    Rejected,
    RetryLater,
    RetryReason,
    SinkContext,
    SinkPlugin,
)
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.testing import Arrival, Destination

LIMIT = 10_000


class Mood(Enum):
    WELL = auto()
    DOWN = auto()
    BABBLING = auto()
    HANGING = auto()


class Memory(Destination):
    """Takes events by ``put``."""

    def __init__(self) -> None:
        self.kept: list[Arrival] = []
        self.mood = Mood.WELL
        self._refused: Collection[str] = ()
        self._deferred: Collection[str] = ()
        self._reached = asyncio.Event()
        self._healed = asyncio.Event()
        self._use("password-before")

    def _use(self, password: str) -> None:
        self.password = password
        self.config = {"password": password}
        self.secrets = (password,)

    async def put(self, event: OutboundEvent, password: str) -> str:
        """The answer to one event."""
        await asyncio.sleep(0)
        if problem := await self.greet(password):
            return problem
        if len(event.json()) >= LIMIT:
            return "large"
        if event.id in self._refused:
            return "no"
        if event.id in self._deferred:
            return "busy"
        self.kept.append(Arrival(event.id, orjson.loads(event.json())))
        return "ok"

    async def greet(self, password: str) -> str | None:
        """What is wrong with the destination or the password; None where nothing is."""
        match self.mood:
            case Mood.DOWN:
                raise ConnectionRefusedError
            case Mood.BABBLING:
                return "\x00?"
            case Mood.HANGING:
                self._reached.set()
                await self._healed.wait()
                return "busy"
            case Mood.WELL:
                return None if password == self.password else "who?"

    @override
    async def arrived(self) -> Sequence[Arrival]:
        return self.kept

    @override
    async def heal(self) -> None:
        self.mood, self._refused, self._deferred = Mood.WELL, (), ()
        self._healed.set()

    @override
    async def refuse(self, ids: Collection[str]) -> None:
        self._refused = ids

    @override
    async def defer(self, ids: Collection[str]) -> None:
        self._deferred = ids

    @override
    def too_large(self) -> int:
        return LIMIT

    @override
    async def go_down(self) -> None:
        self.mood = Mood.DOWN

    @override
    async def babble(self) -> None:
        self.mood = Mood.BABBLING

    @override
    async def hang(self) -> asyncio.Event:
        self.mood = Mood.HANGING
        self._reached, self._healed = asyncio.Event(), asyncio.Event()
        return self._reached

    @override
    async def rotate(self) -> None:
        self._use("password-after")


class MemoryConfig(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    password: SecretStr


class MemorySink:
    """A sink without faults; tests make some by overriding."""

    def __init__(self, memory: Memory, password: str) -> None:
        self.memory = memory
        self.password = password

    async def deliver(self, batch: Sequence[OutboundEvent], /) -> Sequence[DeliveryOutcome]:
        return [await self.put(event) for event in batch]

    async def put(self, event: OutboundEvent) -> DeliveryOutcome:
        try:
            return judge(await self.memory.put(event, self.password))
        except OSError:
            return RetryLater(RetryReason.CONNECT_FAILED)

    async def probe(self) -> DeliveryOutcome:
        try:
            return judge(await self.memory.greet(self.password) or "ok")
        except OSError:
            return RetryLater(RetryReason.CONNECT_FAILED)

    async def aclose(self) -> None: ...


def judge(answer: str) -> DeliveryOutcome:
    match answer:
        case "ok":
            return Delivered()
        case "no":
            return Rejected(DeadReason.REFUSED)
        case "large":
            return Rejected(DeadReason.TOO_LARGE)
        case _:
            return RetryLater(RetryReason.BAD_ANSWER)


Open = Callable[[BaseModel, SinkContext], Awaitable[MemorySink]]


def memory_plugin(
    memory: Memory,
    *,
    sink: type[MemorySink] = MemorySink,
    open_sink: Open | None = None,
    config: type[BaseModel] = MemoryConfig,
    capabilities: Capabilities | None = None,
) -> AnySinkPlugin:
    """A plugin that opens ``sink`` towards ``memory``."""

    async def open_memory(config: BaseModel, _: SinkContext) -> MemorySink:
        password = getattr(config, "password", "")
        return sink(memory, password.get_secret_value() if isinstance(password, SecretStr) else password)

    return SinkPlugin(
        sink_type="memory",
        config=config,
        capabilities=lambda _: capabilities or Capabilities(timeout_s=2.0, max_batch_events=10),
        public=lambda _: {"password": "********"},
        open=open_sink or open_memory,
    )
