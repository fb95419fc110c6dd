"""Which fault strikes what, when and for how long: all drawn from one seed. Pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_AT_ONCE: Final = 2  # more than two faults side by side leave nothing that could go on, and so nothing to see
PAUSE_S: Final = (1.0, 6.0)


@dataclass(frozen=True, slots=True)
class Kind:
    """A fault that can be inflicted.

    Attributes:
        name: What is done, such as ``stop``.
        target: To what, such as ``router-1``.
        claims: What it takes hold of; two faults that both claim something are never on at once.
        lasts_s: The shortest and the longest time that it may stay, in seconds.
    """

    name: str
    target: str
    claims: frozenset[str]
    lasts_s: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Step:
    """One fault of a plan, in seconds after its start.

    Attributes:
        strength: From 0 to 1; what it means is the fault's matter.
    """

    kind: Kind
    begins_s: float
    ends_s: float
    strength: float


def draw_plan(
    kinds: Sequence[Kind], *, seed: int, bound_s: float, pause_s: tuple[float, float] = PAUSE_S
) -> Sequence[Step]:
    """Faults for ``bound_s`` seconds, in the order in which they begin. The same arguments give the same plan.

    Between the end of one and the start of the next that needs something of it, and between one and the next of each
    of the two that may be on at once, there are as many seconds as ``pause_s`` says, from the shortest to the longest.

    Every kind comes before any comes again, and as long as there are any left, one of every name before a second one
    of any: a plan that is short has all names, although some have a target and others thirty.

    All are over before ``bound_s``; one that does not fit any more is left out. At most two are on at once, and never
    two that claim the same.
    """
    generator = random.Random(seed)  # noqa: S311 - what is wanted is the very same numbers again
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
