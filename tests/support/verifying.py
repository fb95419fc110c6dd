"""Evidence of a run that passes verification, for tests to spoil."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from eventstreams.reasons import DeadReason
from eventstreams.verify.behaviours import BEHAVIOURS
from eventstreams.verify.bitset import BitSet
from eventstreams.verify.dead_letters import code_of
from eventstreams.verify.faults import Inflicted
from eventstreams.verify.judge import Evidence, Observed, meant_for
from eventstreams.verify.ledger import State
from eventstreams.verify.plan import Kind, Plan

PLAN: Final = Plan.of("vf00c0ffee", 300, with_other_account=True)
KILLED: Final = Inflicted("kill", "router-1", 10.0, 11.0)


def numbers(kind: Kind, plan: Plan = PLAN) -> list[int]:
    """The events of that kind that are published."""
    return [number for batch in plan.batches() if batch.kind is kind for number in batch.numbers]


def sound(*names: str, plan: Plan = PLAN) -> Evidence:
    """Evidence of a run with receivers of those behaviours, in which nothing went wrong."""
    states = bytearray(plan.event_count)
    for batch in plan.batches():
        for number in batch.numbers:
            states[number] = State.REFUSED if batch.kind is Kind.INVALID else State.ACKNOWLEDGED
    return Evidence(
        plan=plan,
        states=bytes(states),
        again=BitSet.none(plan.event_count),
        subscriptions=[_delivered(plan, position, name) for position, name in enumerate(names or ("healthy",))],
        waiting={},
        inflicted=(),
        ttl_s=14_400,
        lasted_s=60,
    )


def _delivered(plan: Plan, position: int, name: str) -> Observed:
    meant = meant_for(plan, position)
    once = bytes(number in meant for number in range(plan.event_count))
    return Observed(
        position=position,
        name=f"{position} {name}",
        sid=f"DF{position:032x}",
        behaviour=BEHAVIOURS[name],
        arrivals=once,
        accepted=once,
        refused=bytes(plan.event_count),
        dead=bytes(plan.event_count),
    )


def changed(evidence: Evidence, position: int = 0, **fields: object) -> Evidence:
    """With another subscription at ``position``."""
    subscriptions = list(evidence.subscriptions)
    subscriptions[position] = replace(subscriptions[position], **fields)  # type: ignore[arg-type]  # as they are named
    return replace(evidence, subscriptions=subscriptions)


def with_bytes(values: bytes, at: Sequence[int], value: int) -> bytes:
    """``values`` with ``value`` at those places."""
    found = bytearray(values)
    for number in at:
        found[number] = value
    return bytes(found)


def buried(evidence: Evidence, at: Sequence[int], reason: DeadReason, position: int = 0) -> Evidence:
    """With those events as dead letters in place of deliveries."""
    seen = evidence.subscriptions[position]
    return changed(
        evidence,
        position,
        accepted=with_bytes(seen.accepted, at, 0),
        dead=with_bytes(seen.dead, at, code_of(reason)),
        dead_letters=seen.dead_letters + len(at),
    )
