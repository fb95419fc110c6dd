"""The gates of all sinks of a worker, set as the control topic says."""

import time
from collections import Counter
from dataclasses import replace

from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Account, AccountStatus, SinkRecord, Subscription
from eventstreams.control.snapshot import Change
from eventstreams.times import Clock
from sink_workers.gate import Gate, GateState


def steady_ms() -> int:
    """A clock that nobody sets: gates measure spans, and a stepped clock must neither open nor close one."""
    return time.monotonic_ns() // 1_000_000


class Gates:
    """Made at first use, by sink SID; gone with the sink."""

    def __init__(self, feed: ControlFeed, clock: Clock = steady_ms) -> None:
        self._feed = feed
        self._clock = clock
        self._gates: dict[str, Gate] = {}
        feed.listen(self._on_change)

    def of(self, sink_sid: str) -> Gate:
        gate = self._gates.get(sink_sid)
        if gate is None:
            gate = self._gates[sink_sid] = Gate(self._clock)
            if record := self._feed.snapshot.sinks.get(sink_sid):
                gate.configure(self._held(record))
        return gate

    def states(self) -> Counter[GateState]:
        """How many gates are in each state."""
        return Counter(gate.state for gate in self._gates.values())

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
                    gate.changed()
            case Account() if _status(change.before) is not _status(change.after):
                for sid, gate in self._gates.items():  # rare, and subaccounts follow their owner
                    if record := self._feed.snapshot.sinks.get(sid):
                        gate.configure(self._held(record))
            case _:
                return

    def _held(self, sink: SinkRecord) -> SinkRecord:
        """``sink``, paused where its account is suspended: its events wait, until their deadlines."""
        snapshot = self._feed.snapshot
        account = snapshot.accounts.get(sink.account_sid)
        suspended = account is not None and snapshot.status_of(account) is AccountStatus.SUSPENDED
        return replace(sink, paused=True) if suspended else sink


def _status(resource: object) -> AccountStatus | None:
    return resource.status if isinstance(resource, Account) else None
