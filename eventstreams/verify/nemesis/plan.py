"""Draws from one seed which fault strikes what, when and for how long. Pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_AT_ONCE: Final = 2  # with more than two faults at once nothing would work any more, and there would be nothing to see
PAUSE_S: Final = (1.0, 6.0)


@dataclass(frozen=True, slots=True)
class Kind:
    """A fault that can be inflicted.

    Attributes:
        name: What is done, such as ``kill``.
        target: What it is done to, such as ``router-1``.
        claims: What it affects; two faults with a common claim are never active at once.
        lasts_s: Its shortest and its longest duration, in seconds.
    """

    name: str
    target: str
    claims: frozenset[str]
    lasts_s: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Step:
    """One fault of a plan. Times are in seconds after the plan's start.

    Attributes:
        strength: From 0 to 1; its meaning depends on the fault.
    """

    kind: Kind
    begins_s: float
    ends_s: float
    strength: float


def draw_plan(
    kinds: Sequence[Kind], *, seed: int, bound_s: float, pause_s: tuple[float, float] = PAUSE_S
) -> Sequence[Step]:
    """Draw faults for ``bound_s`` seconds, ordered by their beginning. The same arguments give the same plan.

    At most two faults are active at once, and never two with a common claim. ``pause_s`` is the range of the pause
    between a fault and the next with a common claim, and between consecutive faults in each of the two parallel series.

    Every kind occurs before any occurs again; and, as far as possible, every name occurs before any name occurs twice.
    So even a short plan has all names, although some have one target and others thirty.

    All faults are over before ``bound_s``; one that no longer fits is left out.
    """
    generator = random.Random(seed)  # noqa: S311 - the same numbers must be reproducible
    deck = _deck(kinds, generator)
    steps: list[Step] = []
    free_at = [0.0] * _AT_ONCE
    claimed: dict[str, float] = {}
    misses = 0
    while kinds and misses < len(kinds):
        kind = next(deck)
        lasts_s = generator.uniform(*kind.lasts_s)
        strength = generator.random()
        turn = min(range(_AT_ONCE), key=lambda each: free_at[each])
        earliest = max([free_at[turn], *(claimed.get(claim, 0.0) for claim in kind.claims)])
        begins_s = earliest + generator.uniform(*pause_s)
        if begins_s + lasts_s >= bound_s:
            misses += 1
            continue
        misses = 0
        ends_s = begins_s + lasts_s
        free_at[turn] = ends_s
        claimed |= dict.fromkeys(kind.claims, ends_s)
        steps.append(Step(kind, begins_s, ends_s, strength))
    return sorted(steps, key=lambda step: step.begins_s)


def _deck(kinds: Sequence[Kind], generator: random.Random) -> Iterator[Kind]:
    while True:
        left: dict[str, list[Kind]] = {}
        for kind in generator.sample(kinds, len(kinds)):
            left.setdefault(kind.name, []).append(kind)
        while left:
            for name in generator.sample(list(left), len(left)):
                yield left[name].pop()
                if not left[name]:
                    del left[name]
