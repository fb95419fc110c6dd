"""Calls the API during a run, as its users would: reads and writes at a steady rate, each on a new connection."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, TypeVar

import orjson

from eventstreams.client import ApiError, Connection
from eventstreams.verify.publishing import Login
from eventstreams.verify.subscribing import NAME

_MOST_TOLD: Final = 5
_DESTINATION: Final = "https://example.com/never-called"

_T = TypeVar("_T")


@dataclass(slots=True)
class Calls:
    """The results of the calls.

    Attributes:
        made: Calls, each counted once.
        sent_again: Requests that the client resent, as it does for all its users.
        failed: Calls that failed nevertheless; ``failures`` describes the first of them.
        slowest_s: The longest that a call took, including resending.
    """

    made: int = 0
    sent_again: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0


class Caller:
    """Calls the API as one account."""

    def __init__(self, api: str, login: Login, *, rate: float) -> None:
        """``api``: the API's URL, without a path. ``rate``: calls per second."""
        self._api = api
        self._login = login
        self._pause_s = 1 / rate
        self.calls = Calls()

    async def run(self, stop: asyncio.Event) -> Calls:
        """Repeat all calls until ``stop`` is set. Sinks that it creates are deleted in the same round."""
        while not stop.is_set():
            async for _ in self._round():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause_s):
                        await stop.wait()
        return self.calls

    async def _round(self) -> AsyncIterator[None]:
        """Every call in the life of a sink, with read calls in between."""
        await self._call("list sinks", lambda api: api.get("/v1/Sinks"))
        yield
        made = await self._call("create a sink", lambda api: api.post("/v1/Sinks", _sink()))
        yield
        await self._call("list subscriptions", lambda api: api.get("/v1/Subscriptions"))
        yield
        if made is None:
            return
        path = f"/v1/Sinks/{made['sid']}"
        await self._call("fetch a sink", lambda api: api.get(path))
        yield
        await self._call("change a sink", lambda api: api.post(path, [("Description", f"{NAME}: changed")]))
        yield
        await self._call("delete a sink", lambda api: api.delete(path))
        yield

    async def _call(self, what: str, ask: Callable[[Connection], Awaitable[_T]]) -> _T | None:
        self.calls.made += 1
        began = time.monotonic()
        try:
            async with Connection(
                self._api, self._login.account_sid, self._login.auth_token, pause=self._sent_again
            ) as api:
                return await ask(api)
        except ApiError as error:
            self.calls.failed += 1
            if len(self.calls.failures) < _MOST_TOLD:
                self.calls.failures.append(f"{what}: {error.message}")
            return None
        finally:
            self.calls.slowest_s = max(self.calls.slowest_s, time.monotonic() - began)

    def _sent_again(self, longest_s: float) -> float:
        self.calls.sent_again += 1
        return longest_s / 2


def _sink() -> Sequence[tuple[str, str]]:
    configuration = {"destination": _DESTINATION}
    return [
        ("Description", f"{NAME}: the API is in use"),
        ("SinkType", "webhook"),
        ("SinkConfiguration", orjson.dumps(configuration).decode()),
    ]
