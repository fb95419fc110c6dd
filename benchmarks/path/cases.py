"""The cases measured on the whole path, each beside its baseline."""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.path.installation import EVENT_BYTES, RunningInstallation, cpu_s, memory_mib
from benchmarks.path.stages import Told, journeys, tell

_WARM: Final = 1000  # events before each run: warm up connections, caches, the sink's pace
_STEADY: Final = 500


@dataclass(frozen=True, slots=True)
class Ran:
    """The result of one run.

    Attributes:
        who: ``path``: the whole system; ``bare``: the bare loop.
        rate: Deliveries per second, from the first event published until nine tenths were delivered.
        us: CPU of each process per delivery, in µs.
        twice: Number of deliveries beyond one per event.
        mib: Memory of each process at the end.
        longest_gap_s: Longest time without a delivery.
        stages: Where the events spent their time; only for the latency cases.
    """

    case: str
    who: str
    rate: float
    p50_ms: float
    p99_ms: float
    twice: int
    us: Mapping[str, float]
    mib: Mapping[str, float]
    longest_gap_s: float
    stages: Told | None = None

    @property
    def ours_us(self) -> float:
        """CPU of our own processes per delivery, in µs, without the broker and the receiver."""
        return sum(us for name, us in self.us.items() if name not in {"kafka", "receiver"})


Case = Callable[[RunningInstallation, int], Sequence[Ran]]


def single(installation: RunningInstallation, events: int) -> Sequence[Ran]:
    return [_bare(installation, "single", events), run_path(installation, "single", events)]


def batched(installation: RunningInstallation, events: int) -> Sequence[Ran]:
    return [run_path(installation, "batched", events, config={"batch_events": True, "batch_linger_ms": 50})]


def fan_out(installation: RunningInstallation, events: int) -> Sequence[Ran]:
    return [run_path(installation, "fan-out", events // 10, sinks=10)]


def slow(installation: RunningInstallation, events: int) -> Sequence[Ran]:
    rows = []
    for delay_ms, count in ((5, events // 2), (50, events // 4), (100, events // 4)):
        name = f"{delay_ms} ms"
        rows += [
            _bare(installation, name, count, delay_ms=delay_ms),
            run_path(installation, name, count, delay_ms=delay_ms),
        ]
    return rows


def failing(installation: RunningInstallation, events: int) -> Sequence[Ran]:
    return [run_path(installation, f"{percent} % fail", events, failing=percent) for percent in (0, 1, 5)]


def latency(installation: RunningInstallation, events: int) -> Sequence[Ran]:
    rows = []
    for rate in (500, 1000):
        count = min(rate * 15, events)
        name = f"at {rate}/s"
        rows += [_bare(installation, name, count, rate=rate), at_rate(installation, name, count, rate=rate)]
    return rows


def at_rate(installation: RunningInstallation, case: str, events: int, *, rate: float) -> Ran:
    """Send ``events`` to one webhook at ``rate`` per second; the result says where they spent their time."""
    name = "steady"
    installation.receiver.reset(name, _WARM)
    with installation.subscribed(installation.receiver.url(name)) as [(_, subscription)]:
        # At the same rate: Kafka's JVM compiles other code at full speed.
        _warm(installation, [name], events, rate=rate)
        ran = _run(installation, case, "path", [name], events, installation.pids, rate, None)
        return replace(ran, stages=tell(journeys(installation, name, subscription)))


def recovery(installation: RunningInstallation, events: int) -> Sequence[Ran]:
    """``kill -9`` the worker during a steady stream; the longest gap is the time without deliveries."""

    def kill() -> None:
        time.sleep(4)
        os.kill(installation.pids["worker-webhook"], signal.SIGKILL)

    return [run_path(installation, "recovery", min(_STEADY * 20, events), rate=_STEADY, meanwhile=kill)]


def backlog(installation: RunningInstallation, events: int) -> Sequence[Ran]:
    """Deliver events that piled up while their sink was paused; the latency means nothing here."""
    name = "backlog"
    installation.receiver.reset(name, events)
    with installation.subscribed(installation.receiver.url(name)) as [(sink, subscription)]:
        installation.pause(sink, paused=True)
        installation.load(events).go().wait()
        installation.wait_routed(subscription, events)
        before = cpu_s(installation.pids)
        began = time.time()
        installation.pause(sink, paused=False)
        told = [installation.receiver.all_arrived(name)]
        return [_ran(installation, name, "path", installation.pids, before, began, told)]


CASES: Final[Mapping[str, Case]] = {
    "single": single,
    "batched": batched,
    "fan-out": fan_out,
    "slow": slow,
    "failing": failing,
    "latency": latency,
    "recovery": recovery,
    "backlog": backlog,
}


def run_path(
    installation: RunningInstallation,
    case: str,
    events: int,
    *,
    sinks: int = 1,
    delay_ms: int = 0,
    failing: int = 0,
    rate: float = 0,
    event_bytes: int = EVENT_BYTES,
    config: Mapping[str, object] | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> Ran:
    """Send ``events`` to ``sinks`` webhooks, at ``rate`` per second or, if that is 0, as fast as possible."""
    names = [f"sink{number}" for number in range(sinks)]
    for name in names:
        installation.receiver.reset(name, _WARM)
    urls = [installation.receiver.url(name, delay_ms=delay_ms, failing=failing) for name in names]
    with installation.subscribed(*urls, **(config or {})):
        _warm(installation, names, events, rate=rate, event_bytes=event_bytes)
        return _run(installation, case, "path", names, events, installation.pids, rate, meanwhile, event_bytes)


def _warm(
    installation: RunningInstallation,
    names: Sequence[str],
    events: int,
    *,
    rate: float = 0,
    event_bytes: int = EVENT_BYTES,
) -> None:
    installation.load(_WARM, rate=rate, event_bytes=event_bytes).go().wait()
    for name in names:
        installation.receiver.all_arrived(name)
        installation.receiver.reset(name, events)


def _bare(installation: RunningInstallation, case: str, events: int, *, delay_ms: int = 0, rate: float = 0) -> Ran:
    """Send ``events`` through the bare loop."""
    installation.receiver.reset("bare", _WARM)
    with installation.bare_loop(installation.receiver.url("bare", delay_ms=delay_ms)) as pid:
        installation.load(_WARM, bare=True).go().wait()
        installation.receiver.all_arrived("bare")
        installation.receiver.reset("bare", events)
        pids = {"bare": pid, "kafka": installation.pids["kafka"], "receiver": installation.receiver.pid}
        return _run(installation, case, "bare", ["bare"], events, pids, rate, None)


def _run(
    installation: RunningInstallation,
    case: str,
    who: str,
    names: Sequence[str],
    events: int,
    pids: Mapping[str, int],
    rate: float,
    meanwhile: Callable[[], None] | None,
    event_bytes: int = EVENT_BYTES,
) -> Ran:
    loader = installation.load(events, rate=rate, bare=who == "bare", event_bytes=event_bytes)
    before, began = cpu_s(pids), time.time()
    loader.go()
    if meanwhile is not None:
        meanwhile()
    told = [installation.receiver.all_arrived(name) for name in names]
    loader.wait()
    return _ran(installation, case, who, pids, before, began, told)


def _ran(
    installation: RunningInstallation,
    case: str,
    who: str,
    pids: Mapping[str, int],
    before: Mapping[str, float],
    began: float,
    told: Sequence[Mapping[str, float]],
) -> Ran:
    """Build the result. A process that was restarted meanwhile is left out: what it used before is unknown."""
    kept = {name: pid for name, pid in pids.items() if who == "bare" or installation.pids.get(name) == pid}
    after = cpu_s(kept)
    deliveries = sum(each["expected"] for each in told)
    nine_tenths = [each["nine_tenths_at"] - began for each in told]
    return Ran(
        case,
        who,
        0.9 * deliveries / max(nine_tenths),
        sum(each["p50_ms"] for each in told) / len(told),
        max(each["p99_ms"] for each in told),
        int(sum(each["arrived"] for each in told) - deliveries),
        {name: (after[name] - before[name]) / deliveries * 1e6 for name in kept},
        memory_mib(kept),
        max(each["longest_gap_s"] for each in told),
    )
