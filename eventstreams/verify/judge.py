"""Judges a run: every event must be accounted for at every subscription, and nothing else may be there. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final

from eventstreams.reasons import DeadReason
from eventstreams.verify.behaviours import Behaviour
from eventstreams.verify.bitset import BitSet
from eventstreams.verify.dead_letters import UNKNOWN_REASON, reason_of
from eventstreams.verify.faults import Inflicted
from eventstreams.verify.inspection import Finding
from eventstreams.verify.ledger import State, Wrong
from eventstreams.verify.plan import Kind, Plan, types_for
from eventstreams.verify.usage import Growth

MOST_SHOWN: Final = 5


class Fault(StrEnum):
    """The kinds of problems.

    ``lost``: acknowledged, but neither delivered nor a dead letter, although nothing waits any more. ``unfinished``:
    the same, but something still waits when the run's time is up. ``wrong``: something arrived or was dead-lettered
    that should not have been. ``undeserved``: a dead letter for a reason that its receiver did not give. ``doubled``:
    delivered more than once although no fault explains it, or more often than is allowed. ``doubled_letters``: the same
    for dead letters. ``lag``: everything is settled, but groups have not committed it. ``gateway``: it refused valid
    events, or accepted invalid ones. ``api``: calls of it failed, although they were resent. ``growth``: a process
    keeps growing. ``nothing``: no event was acknowledged.
    """

    LOST = "lost"
    UNFINISHED = "unfinished"
    WRONG = "wrong"
    UNDESERVED = "undeserved"
    DOUBLED = "doubled"
    DOUBLED_LETTERS = "doubled_letters"
    LAG = "lag"
    GATEWAY = "gateway"
    API = "api"
    GROWTH = "growth"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem.

    Attributes:
        where: The subscription's name, or what else it is about.
        count: How many events, or records, are affected.
        ids: The ids of the first of them.
    """

    fault: Fault
    where: str
    count: int
    text: str
    ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One subscription at the end of a run.

    Attributes:
        arrivals: By event, how often it arrived.
        accepted: By event, how often that was answered with success.
        refused: By event, whether it was refused for good.
        dead: By event, 0 or the number of its dead letter's reason.
        dead_letters: How many dead letters there are.
        foreign_dead_letters: Event ids of dead letters of events that were not published in this run.
        wrongs: How many deliveries were wrong, by kind; ``findings`` has the first of them.
    """

    position: int
    name: str
    sid: str
    behaviour: Behaviour
    arrivals: bytes
    accepted: bytes
    refused: bytes
    dead: bytes
    dead_letters: int = 0
    foreign_dead_letters: Sequence[str] = ()
    wrongs: Mapping[Wrong, int] = field(default_factory=dict)
    findings: Sequence[Finding] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that is judged.

    Attributes:
        states: By event, a ``State``.
        again: Events that the publisher sent more than once.
        waiting: What still waits, by place; see ``Backlog``.
        inflicted: The faults that were inflicted.
        ttl_s: How long the installation tries an event.
        lasted_s: How long the run lasted, from the first event on.
        refused: The gateway's answers when it refused valid events.
        taken: Invalid events that the gateway accepted.
        calls_failed: How many calls of the API failed; ``call_failures`` describes the first of them.
        growths: The growth of processes; None if it is not judged.
    """

    plan: Plan
    states: bytes
    again: BitSet
    subscriptions: Sequence[Observed]
    waiting: Mapping[str, int]
    inflicted: Sequence[Inflicted]
    ttl_s: float
    lasted_s: float
    refused: Sequence[str] = ()
    taken: Sequence[str] = ()
    calls_failed: int = 0
    call_failures: Sequence[str] = ()
    growths: Sequence[Growth] | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of one subscription, in events.

    Attributes:
        expected: Acknowledged events that it should get.
        unknown: Events for it of which the gateway did not say whether it has them; ``unknown_delivered`` arrived.
        duplicates: Repeated deliveries of events. ``republished`` of them are of events that the publisher sent more
            than once, and which were therefore published more than once.
    """

    name: str
    sid: str
    expected: int
    delivered: int
    dead: Mapping[str, int]
    missing: int
    unknown: int
    unknown_delivered: int
    duplicates: int
    republished: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a run. It holds if there are no problems."""

    scores: Sequence[Score]
    problems: Sequence[Problem]

    @property
    def holds(self) -> bool:
        return not self.problems


@lru_cache(maxsize=256)
def meant_for(plan: Plan, position: int) -> BitSet:
    """The events that the subscription at ``position`` should get, if they are accepted."""
    types = types_for(position)
    return BitSet.of_ranges(
        plan.event_count,
        (
            batch.numbers
            for batch in plan.batches()
            if batch.kind is Kind.ORDINARY or (batch.kind is Kind.PARTIAL and plan.type_of(batch.first) in types)
        ),
    )


def missing(plan: Plan, states: bytes, position: int, accepted: bytes, dead: bytes) -> BitSet:
    """Acknowledged events for the subscription at ``position`` that are neither delivered nor dead letters."""
    expected = meant_for(plan, position) & BitSet.where(states, {State.ACKNOWLEDGED})
    return expected - BitSet.above(accepted) - BitSet.above(dead)


def judge(evidence: Evidence, *, most_duplicates: float) -> Verdict:
    """Judge a run.

    Args:
        evidence: Everything known about the run.
        most_duplicates: Share of a subscription's events that may have arrived more than once.
    """
    problems = list(_of_gateway(evidence))
    scores = []
    for each in evidence.subscriptions:
        score = _score(evidence, each)
        scores.append(score)
        problems += _of_subscription(evidence, each, score, most_duplicates)
    return Verdict(scores, [*problems, *_of_lag(evidence, scores), *_of_growth(evidence)])


def _of_growth(evidence: Evidence) -> Iterator[Problem]:
    if evidence.growths is not None and not any(each.is_judged for each in evidence.growths):
        yield Problem(Fault.GROWTH, "processes", 0, "no process ran long enough to judge its growth")
    for each in evidence.growths or ():
        for grown in each.problems:
            text = f"it grew during the {each.seconds:.0f} s that were observed: {grown}"
            yield Problem(Fault.GROWTH, each.name, 1, text)


def _of_lag(evidence: Evidence, scores: Sequence[Score]) -> Iterator[Problem]:
    """Uncommitted records although no event is missing."""
    for name, records in evidence.waiting.items():
        whose = [score for score in scores if name.endswith(score.sid)]
        if not any(score.missing for score in whose or scores):
            where = whose[0].name if whose else "consumer groups"
            text = f"everything is settled, but {records:,} records of {name} are not committed"
            yield Problem(Fault.LAG, where, records, text)


def _score(evidence: Evidence, seen: Observed) -> Score:
    plan = evidence.plan
    meant, delivered = meant_for(plan, seen.position), BitSet.above(seen.accepted)
    expected = meant & BitSet.where(evidence.states, {State.ACKNOWLEDGED})
    unknown = meant & BitSet.where(evidence.states, {State.UNKNOWN})
    dead = BitSet.above(seen.dead)
    codes = Counter(seen.dead)
    return Score(
        name=seen.name,
        sid=seen.sid,
        expected=len(expected),
        delivered=len(expected & delivered),
        dead={_reason(code): count for code, count in sorted(codes.items()) if code},
        missing=len(expected - delivered - dead),
        unknown=len(unknown),
        unknown_delivered=len(unknown & delivered),
        duplicates=_more_than_once(seen.accepted),
        republished=_more_than_once(_only(seen.accepted, evidence.again)),
    )


def _of_gateway(evidence: Evidence) -> Iterator[Problem]:
    if evidence.refused:
        text = f"it refused valid events: {evidence.refused[0]}"
        yield Problem(Fault.GATEWAY, "gateway", len(evidence.refused), text, evidence.refused)
    if evidence.taken:
        text = "it accepted a batch with an event that does not conform to its schema"
        yield Problem(Fault.GATEWAY, "gateway", len(evidence.taken), text, evidence.taken)
    if evidence.calls_failed:
        text = f"calls failed even after retries: {'; '.join(evidence.call_failures)}"
        yield Problem(Fault.API, "API", evidence.calls_failed, text)
    if not BitSet.where(evidence.states, {State.ACKNOWLEDGED}):
        yield Problem(Fault.NOTHING, "gateway", 0, "no event was acknowledged: there is nothing to judge")


def _of_subscription(evidence: Evidence, seen: Observed, score: Score, most_duplicates: float) -> Iterator[Problem]:
    yield from _of_missing(evidence, seen)
    yield from _of_wrongs(evidence, seen)
    yield from _of_dead_letters(evidence, seen)
    yield from _of_duplicates(evidence, seen, score, most_duplicates)


def _of_missing(evidence: Evidence, seen: Observed) -> Iterator[Problem]:
    left = missing(evidence.plan, evidence.states, seen.position, seen.accepted, seen.dead)
    if not left:
        return
    types = Counter(evidence.plan.type_of(number) for number in left.first(1000))
    of = f", all of type {next(iter(types))}" if len(types) == 1 else ""
    others = tuple({each.sid for each in evidence.subscriptions} - {seen.sid})
    waits = sum(count for name, count in evidence.waiting.items() if not name.endswith(others))
    fault = Fault.UNFINISHED if waits else Fault.LOST
    still = f"; {waits} records are still waiting" if waits else ", and nothing is waiting"
    text = f"{len(left):,} acknowledged events neither arrived nor are dead letters{of}{still}"
    yield Problem(fault, seen.name, len(left), text, _ids(evidence.plan, left))


def _of_wrongs(evidence: Evidence, seen: Observed) -> Iterator[Problem]:
    for wrong, count in seen.wrongs.items():
        first = [each for each in seen.findings if each.wrong is wrong]
        text = f"{count:,} deliveries are {wrong}" + (f": {first[0].detail}" if first else "")
        yield Problem(Fault.WRONG, seen.name, count, text, [each.event_id for each in first[:MOST_SHOWN]])
    refused = BitSet.where(evidence.states, {State.REFUSED}) & BitSet.above(seen.arrivals)
    if refused and Wrong.INVALID not in seen.wrongs:
        text = f"{len(refused):,} events arrived that the gateway had refused"
        yield Problem(Fault.WRONG, seen.name, len(refused), text, _ids(evidence.plan, refused))


def _of_dead_letters(evidence: Evidence, seen: Observed) -> Iterator[Problem]:
    """Every dead letter must have a reason that its receiver, or the deadline, gave."""
    plan, size = evidence.plan, evidence.plan.event_count
    meant, refused = meant_for(plan, seen.position), BitSet.above(seen.refused)
    outside = BitSet.above(seen.dead) - meant
    if outside or seen.foreign_dead_letters:
        count = len(outside) + len(seen.foreign_dead_letters)
        text = f"{count:,} dead letters are for events that do not belong to it"
        yield Problem(
            Fault.WRONG, seen.name, count, text, [*seen.foreign_dead_letters, *_ids(plan, outside)][:MOST_SHOWN]
        )
    for code in sorted(set(seen.dead) - {0}):
        reason = reason_of(code)
        allowed = BitSet.none(size)
        if reason is DeadReason.REFUSED and reason in seen.behaviour.dead:
            allowed = refused
        elif reason in seen.behaviour.dead or (reason is DeadReason.EXPIRED and evidence.lasted_s > evidence.ttl_s):
            allowed = meant
        undeserved = (BitSet.where(seen.dead, {code}) & meant) - allowed
        if undeserved:
            text = f"{len(undeserved):,} events are dead letters, {_reason(code)}, which its receiver did not cause"
            yield Problem(Fault.UNDESERVED, seen.name, len(undeserved), text, _ids(plan, undeserved))


def _of_duplicates(evidence: Evidence, seen: Observed, score: Score, most_duplicates: float) -> Iterator[Problem]:
    is_calm = not evidence.inflicted
    doubled = score.duplicates - score.republished
    events = _ids(evidence.plan, BitSet.above(seen.accepted, 1) - evidence.again)
    if doubled and is_calm and seen.behaviour.healthy:
        text = f"{doubled:,} deliveries were duplicates, although no faults were injected and the receiver is healthy"
        yield Problem(Fault.DOUBLED, seen.name, doubled, text, events)
    elif doubled > most_duplicates * max(score.expected, 1):
        text = f"{doubled:,} deliveries out of {score.expected:,} were duplicates: more than {most_duplicates:.1%}"
        yield Problem(Fault.DOUBLED, seen.name, doubled, text, events)
    once = len(BitSet.above(seen.dead)) + len(seen.foreign_dead_letters)
    more = seen.dead_letters - once
    if more > 0 and (is_calm or more > most_duplicates * max(score.expected, 1)):
        text = f"{more:,} dead letters are duplicates"
        yield Problem(Fault.DOUBLED_LETTERS, seen.name, more, text)


def _more_than_once(counts: bytes) -> int:
    """The number of repeated deliveries."""
    return sum(counts) - (len(counts) - counts.count(0))


def _only(counts: bytes, marks: BitSet) -> bytes:
    """``counts`` for the events in ``marks``, and 0 for the others."""
    if len(marks) == 0:
        return bytes(len(counts))
    kept = f"{marks.bits:0{marks.size}b}"[::-1].encode()
    return bytes(count if bit == ord("1") else 0 for count, bit in zip(counts, kept, strict=True))


def _reason(code: int) -> str:
    reason = reason_of(code)
    return "with an unknown reason" if code == UNKNOWN_REASON or reason is None else str(reason)


def _ids(plan: Plan, marks: BitSet) -> Sequence[str]:
    return [plan.id_of(number) for number in marks.first(MOST_SHOWN)]
