"""The gates of all sinks of a worker, kept in line with the control topic."""

import resource
import time
from collections import Counter
from dataclasses import replace
from typing import Final

from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Account, AccountStatus, SinkRecord, Subscription
from eventstreams.control.snapshot import Change
from eventstreams.times import Clock
from sink_workers.gates.gate import Gate, GateState, Spare
from sink_workers.gates.gradient import USUAL

_MOST_SPARE: Final = 2048  # each takes a connection, and an event in memory


def steady_ms() -> int:
    """A monotonic clock: gates measure intervals, and a step of the system clock must neither open nor close one."""
    return time.monotonic_ns() // 1_000_000


def spare() -> Spare:
    """The spare attempts of a process: at most half of the files it may open, which leaves as many for the rest."""
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Spare(_MOST_SPARE if open_files == resource.RLIM_INFINITY else min(_MOST_SPARE, open_files // 2))


class Gates:
    """Gates by sink SID: created at first use, dropped when the sink is deleted."""

    def __init__(self, feed: ControlFeed, clock: Clock = steady_ms, *, most: int = USUAL) -> None:
        """Create no gates yet. ``most``: the most attempts under way to one sink, however fast it is."""
        self._feed = feed
        self._clock = clock
        self._most = most
        self._spare = spare()
        self._gates: dict[str, Gate] = {}
        feed.listen(self._on_change)

    def of(self, sink_sid: str) -> Gate:
        gate = self._gates.get(sink_sid)
        if gate is None:
            gate = self._gates[sink_sid] = Gate(self._clock, most=self._most, spare=self._spare)
            if record := self._feed.snapshot.sinks.get(sink_sid):
                gate.configure(self._held(record))
        return gate

    def states(self) -> Counter[GateState]:
        """How many gates are in each state."""
        return Counter(gate.state for gate in self._gates.values())

    def limit(self) -> int:
        """How many attempts may be under way now, over all gates."""
        return sum(gate.limit() for gate in self._gates.values())

    def _on_change(self, change: Change) -> None:
        match change.after or change.before:
            case SinkRecord(sid=sid):
                gate = self._gates.get(sid)
                if gate is not None and isinstance(change.after, SinkRecord):
                    gate.configure(self._held(change.after))
                elif gate is not None:
                    del self._gates[sid]
                    gate.changed()
            case Subscription(sink_sid=sink_sid):
                if gate := self._gates.get(sink_sid):
                    if _is_paused(change.before) or _is_paused(change.after):
                        gate.note_trouble()
                    gate.changed()
            case Account() if _status(change.before) is not _status(change.after):
                for sid, gate in self._gates.items():  # rare, and subaccounts follow their owner
                    if record := self._feed.snapshot.sinks.get(sid):
                        gate.configure(self._held(record))
            case _:
                return

    def _held(self, sink: SinkRecord) -> SinkRecord:
        """``sink``, paused if its account is suspended: then its events wait until their deadlines."""
        snapshot = self._feed.snapshot
        account = snapshot.accounts.get(sink.account_sid)
        suspended = account is not None and snapshot.status_of(account) is AccountStatus.SUSPENDED
        return replace(sink, paused=True) if suspended else sink


def _status(resource: object) -> AccountStatus | None:
    return resource.status if isinstance(resource, Account) else None


def _is_paused(resource: object) -> bool:
    return isinstance(resource, Subscription) and resource.paused
