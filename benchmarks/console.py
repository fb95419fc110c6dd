"""``python -m benchmarks.console``: response times of each page of the console, with a full account and a full log.

Starts an ``eventstreams up`` of its own with 100 sinks, 100 subscriptions, 25 events that all subscriptions match, and
1,000,000 attempts in the delivery log (``--attempts 50000`` for a quick run), 10,000 of them in the last ten seconds.
The attempts are written to their topic, from which the log reads them as always. Times are those of a client on the
same machine that sends one request at a time; the first request for each page, with cold caches, is listed separately.
The load average shows how busy the machine was.
"""

import argparse
import asyncio
import json
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks.measure import load, machine
from eventstreams.attempts import Entry, encode
from eventstreams.kafka.producer import AckedProducer
from eventstreams.settings import Settings
from eventstreams.times import now_ms
from eventstreams.topics import Topics
from tests.support.console import Browser, signed_in
from tests.support.up import TOKEN, Up, running_up

_TYPE: Final = "com.twilio.messaging.message.sent"
_MANY: Final = 100  # sinks and subscriptions: the most that an account can have
_IN_A_RECORD: Final = 250
_DAY_MS: Final = 86_400_000
_RECENT: Final = 10_000
_RECENT_MS: Final = 9_000
_FAILING: Final = 10  # every tenth attempt failed
_ROUNDS: Final = 20
_ON_A_PAGE: Final = 25
_EXAMPLE: Final = Path(__file__).parents[1] / "examples" / "message-sent.json"


class Account:
    """The benchmark's account, with its sinks and subscriptions."""

    def __init__(self, up: Up) -> None:
        self.sid = str(up.about["account_sid"])
        self.sinks: list[str] = []
        self.subscriptions: list[str] = []

    def furnish(self, up: Up) -> None:
        """Create the sinks, at whose address nobody listens, and a subscription for each."""
        events = up.client().events.v1
        for number in range(_MANY):
            sink = events.sinks.create(
                description=f"sink number {number}",
                sink_type="webhook",
                sink_configuration={"destination": f"http://127.0.0.1:9/{number}"},
            )
            made = events.subscriptions.create(
                description=f"subscription number {number}", sink_sid=sink.sid, types=[{"type": _TYPE}]
            )
            self.sinks.append(str(sink.sid))
            self.subscriptions.append(str(made.sid))

    def entries(self, first: int, count: int, *, from_ms: int, span_ms: int) -> Sequence[Entry]:
        return [self._entry(n, from_ms + (n - first) * span_ms // count) for n in range(first, first + count)]

    def _entry(self, number: int, at_ms: int) -> Entry:
        which, fails = number % _MANY, number % _FAILING == 0
        return Entry(
            kind="retry_later" if fails else "delivered",
            at_ms=at_ms,
            event_id=f"EZ{number:032x}",
            event_type=_TYPE,
            account_sid=self.sid,
            subscription_sid=self.subscriptions[which],
            sink_sid=self.sinks[which],
            sink_type="webhook",
            attempt=1,
            duration_ms=12,
            accepted_ms=at_ms - 5,
            deadline_ms=at_ms + 14_400_000,
            origin=f"es.sub.webhook.{self.subscriptions[which]}/0/{number}",
            rests_at=f"es.retry.webhook.30s/3/{number}" if fails else None,
            next_at_ms=at_ms + 30_000 if fails else None,
            reason="server_error" if fails else None,
            code=91306 if fails else None,
            status=500 if fails else 200,
            detail="HTTP 500" if fails else None,
            answer="no such order" if fails else None,
        )


async def fill(settings: Settings, account: Account, first: int, count: int, *, from_ms: int, span_ms: int) -> None:
    """Write ``count`` attempts, their times spread evenly over ``span_ms`` from ``from_ms``."""
    topic = Topics(settings).attempts
    async with AckedProducer(settings) as producer:
        entries = account.entries(first, count, from_ms=from_ms, span_ms=span_ms)
        answers = [
            await producer.enqueue(
                topic, encode(entries[at : at + _IN_A_RECORD]), key=secrets.token_bytes(8), headers=[]
            )
            for at in range(0, count, _IN_A_RECORD)
        ]
        await asyncio.gather(*answers)


async def publish(url: str, gateway: str, account: Account, attempts: int) -> None:
    """Publish a page of events with the ids of the newest attempts, each for all subscriptions; wait for the log."""
    example = json.loads(_EXAMPLE.read_text())
    events = [{**example, "id": f"EZ{number:032x}"} for number in range(attempts - _ON_A_PAGE, attempts)]
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    async with api(account) as session, session.post(f"{gateway}/v1/Events", json=events, headers=headers) as answer:
        answer.raise_for_status()
        while True:
            async with session.get(f"{url}/v1/Events") as listed:
                if len((await listed.json())["events"]) == _ON_A_PAGE:
                    return
            await asyncio.sleep(0.2)


async def read(url: str, account: Account) -> float:
    """Wait until the log has read everything; return how long that took, in seconds."""
    began = time.monotonic()
    async with api(account) as session:
        while True:
            async with session.get(f"{url}/v1/Attempts?PageSize=1") as answer:
                lag = (await answer.json()).get("lag") or {}
                if lag.get("records") == 0:
                    return time.monotonic() - began
            await asyncio.sleep(0.2)


@asynccontextmanager
async def api(account: Account) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": aiohttp.encode_basic_auth(account.sid, TOKEN)}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


async def times(browser: Browser, path: str) -> Sequence[float]:
    """Return the milliseconds of each request: the process's first ever for this page, then the others, sorted."""
    found = []
    for _ in range(1 + _ROUNDS):
        began = time.monotonic()
        shown = await browser.get(path)
        found.append((time.monotonic() - began) * 1000)
        assert shown.status == 200, (path, shown.status)  # noqa: PLR2004
    return [found[0], *sorted(found[1:])]


def pages(account: Account, attempts: int) -> Sequence[str]:
    event = f"EZ{attempts // 2 // _FAILING * _FAILING:032x}"
    return [
        *("overview", "sinks", f"sinks/{account.sinks[7]}", f"sinks/{account.sinks[7]}/health"),
        *("subscriptions", f"subscriptions/{account.subscriptions[7]}", "subscriptions/new"),
        *("events", f"events?type={_TYPE}&after=2020-01-01T00:00", f"events/{event}"),
        *("dead-letters", "redrives", "catalogue", f"catalogue/{_TYPE}", f"send?type={_TYPE}"),
    ]


async def measure(up: Up, attempts: int) -> None:
    about: dict[str, Any] = up.about
    settings = Settings.load(kafka=about["kafka"], replication_factor=1)
    account = Account(up)
    account.furnish(up)
    old = attempts - _RECENT
    for first in range(0, old, 100_000):
        count = min(100_000, old - first)
        span = _DAY_MS // 2 * count // old
        await fill(settings, account, first, count, from_ms=now_ms() - _DAY_MS + first * span // count, span_ms=span)
    took = await read(about["api"], account)
    print(f"{attempts:,} attempts, the last of them read {took:.0f} s after they were written")
    print(f"{'page':<52} {'first':>8} {'median':>8} {'slowest':>8}   of {_ROUNDS}, in ms")
    async with signed_in(about["api"], account.sid, TOKEN) as browser:
        for page in pages(account, attempts):
            if page == "overview":
                recent = {"from_ms": now_ms() - _RECENT_MS, "span_ms": _RECENT_MS}
                await fill(settings, account, old, _RECENT, **recent)
                await read(about["api"], account)
            if page == "events":
                await publish(about["api"], about["gateway"], account, attempts)
            cold, *found = await times(browser, f"/console/{page}")
            shown = page.replace(account.sinks[7], "DG…").replace(account.subscriptions[7], "DF…")[:52]
            print(f"{shown:<52} {cold:8.0f} {statistics.median(found):8.0f} {found[-1]:8.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=1_000_000)
    attempts = parser.parse_args().attempts
    print(machine())
    env = {"EVENTSTREAMS_API_RATE_LIMIT": "0"}  # one client sends requests as fast as it can
    with tempfile.TemporaryDirectory() as folder, running_up(Path(folder) / "data", env=env) as up:
        print(f"load before: {load()}")
        asyncio.run(measure(up, attempts))
        print(f"load after: {load()}")


if __name__ == "__main__":
    main()
