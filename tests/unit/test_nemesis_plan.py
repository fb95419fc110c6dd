"""The plan of a nemesis: drawn from a seed, healed in time, never two that exclude each other."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from eventstreams.verify.nemesis.plan import Kind, Step, draw_plan

CLAIMS = st.frozensets(st.sampled_from("abcde"), min_size=1, max_size=3)


@st.composite
def kinds_of(draw: st.DrawFn) -> list[Kind]:
    found = []
    for number in range(draw(st.integers(0, 12))):
        shortest = draw(st.floats(0.1, 30))
        found.append(Kind(f"fault-{number}", "x", draw(CLAIMS), (shortest, shortest + draw(st.floats(0, 30)))))
    return found


KINDS = kinds_of()
SEEDS = st.integers(0, 2**63)
BOUNDS = st.floats(0, 600)


@given(kinds=KINDS, seed=SEEDS, bound_s=BOUNDS)
def test_the_same_seed_gives_the_same_plan(kinds: list[Kind], seed: int, bound_s: float) -> None:
    assert draw_plan(kinds, seed=seed, bound_s=bound_s) == draw_plan(kinds, seed=seed, bound_s=bound_s)


@given(kinds=KINDS, seed=SEEDS, bound_s=BOUNDS)
def test_every_fault_is_healed_before_the_bound(kinds: list[Kind], seed: int, bound_s: float) -> None:
    for step in draw_plan(kinds, seed=seed, bound_s=bound_s):
        shortest, longest = step.kind.lasts_s
        assert 0 < step.begins_s < step.ends_s < bound_s
        assert shortest - 1e-6 <= step.ends_s - step.begins_s <= longest + 1e-6
        assert 0 <= step.strength <= 1


def overlap(one: Step, other: Step) -> bool:
    return one.begins_s < other.ends_s and other.begins_s < one.ends_s


@given(kinds=KINDS, seed=SEEDS, bound_s=BOUNDS)
def test_what_claims_the_same_is_never_on_at_once_and_never_are_three(
    kinds: list[Kind], seed: int, bound_s: float
) -> None:
    plan = draw_plan(kinds, seed=seed, bound_s=bound_s)

    for one, other in combinations(plan, 2):
        if one.kind.claims & other.kind.claims:
            assert not overlap(one, other)
    for step in plan:
        assert sum(each.begins_s <= step.begins_s < each.ends_s for each in plan) <= 2


@given(seed=SEEDS, count=st.integers(1, 8))
def test_every_kind_comes_before_any_comes_again(seed: int, count: int) -> None:
    kinds = [Kind(str(number), "x", frozenset({str(number)}), (1.0, 2.0)) for number in range(count)]

    plan = draw_plan(kinds, seed=seed, bound_s=count * 30.0)

    assert {step.kind for step in plan} == set(kinds)


def test_another_seed_gives_another_plan() -> None:
    kinds = [Kind(str(number), "x", frozenset({str(number)}), (1.0, 9.0)) for number in range(10)]

    assert len({tuple(draw_plan(kinds, seed=seed, bound_s=300)) for seed in range(20)}) == 20


def test_what_does_not_fit_any_more_is_left_out() -> None:
    long = Kind("long", "x", frozenset({"a"}), (100.0, 100.0))
    short = Kind("short", "x", frozenset({"b"}), (1.0, 1.0))

    plan = draw_plan([long, short], seed=1, bound_s=60)

    assert {step.kind for step in plan} == {short}
