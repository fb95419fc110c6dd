"""Which faults there are for a site: everything that runs and every link, and what excludes what."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from eventstreams.local.broker import LocalBroker
from eventstreams.local.state import State
from eventstreams.local.supervisor import Supervisor
from eventstreams.verify.nemesis.brokers import SiteBroker
from eventstreams.verify.nemesis.catalogue import NAMES, offers
from eventstreams.verify.nemesis.fault import Offer
from eventstreams.verify.nemesis.host import Hosts
from eventstreams.verify.nemesis.plan import draw_plan
from eventstreams.verify.nemesis.proxy import Link
from eventstreams.verify.nemesis.site import Layout, Site

STRENGTHS = (0.0, 0.5, 1.0)


def site(folder: Path, brokers: int) -> Site:
    """One of which nothing runs."""
    found = Site(folder, Layout(brokers=brokers), State.new(), Supervisor(on_death=lambda _: None))
    numbers = range(1, brokers + 1)
    broker = LocalBroker(folder, port=1, controller_port=2, java=folder, jars=folder)
    found.brokers = [SiteBroker(f"kafka-{number}", broker, {}) for number in numbers]
    callers = [copy.name for copy in found.copies]
    if brokers > 1:
        callers += ["brokers", "controllers"]
    names = [f"{caller}~kafka-{number}" for caller in callers for number in numbers]
    for name in [*names, "api~api-1", "client~api-1", "client~gateway-1", "worker~receiver"]:
        found.links[name] = Link(name)
    return found


@pytest.fixture(params=[1, 3], ids=["one broker", "three brokers"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Sequence[Offer]:
    count: int = request.param
    return offers(site(tmp_path, count), hosts=Hosts(tmp_path, tmp_path / "shim.so"))


def targets(made: Sequence[Offer], name: str) -> set[str]:
    return {each.kind.target for each in made if each.kind.name == name}


def test_no_fault_is_there_twice(made: Sequence[Offer]) -> None:
    names = [(each.kind.name, each.kind.target) for each in made]

    assert len(names) == len(set(names))


def test_all_names_are_told(tmp_path: Path) -> None:
    made = offers(site(tmp_path, 3), hosts=Hosts(tmp_path, tmp_path / "shim.so"))

    assert {each.kind.name for each in made} == set(NAMES)


def test_every_process_can_be_killed_ended_frozen_starved_and_its_clock_stepped(made: Sequence[Offer]) -> None:
    roles = {"api-1", "api-2", "router-1", "router-2", "worker-webhook-1", "worker-webhook-2", "gateway-1"}

    for name in ("kill", "terminate", "freeze", "starve", "clock"):
        assert targets(made, name) >= {*roles, "kafka-1"}
    assert targets(made, "no-names") == roles
    for name in ("kill", "terminate"):
        assert "all" in targets(made, name)
    assert targets(made, "storm") == {"router", "worker-webhook"}


def test_every_way_between_two_can_be_cut_slow_narrow_refused_and_reset(made: Sequence[Offer]) -> None:
    for name in ("cut", "slow", "narrow", "refuse", "reset"):
        assert targets(made, name) >= {"worker-webhook-1~kafka", "api~api-1", "client~gateway-1", "worker~receiver"}


def test_of_three_brokers_each_can_be_out_of_the_others_reach_while_nothing_else_befalls_them(tmp_path: Path) -> None:
    made = offers(site(tmp_path, 3), hosts=None)

    for name in ("cut", "slow", "narrow", "refuse", "reset"):
        assert targets(made, name) >= {"brokers~kafka-1", "brokers~kafka-2", "brokers~kafka-3"}
        assert "controllers~kafka-1" not in targets(made, name)  # the two are one way
    claims = {(each.kind.name, each.kind.target): each.kind.claims for each in made}
    assert claims["cut", "brokers~kafka-1"] & claims["kill", "kafka-2"]
    assert not claims["cut", "brokers~kafka-1"] & claims["cut", "router-1~kafka"]


def test_the_control_topic_can_be_slow_on_either(made: Sequence[Offer]) -> None:
    assert targets(made, "slow-control") == {"es.control"}


@pytest.mark.parametrize("brokers", [1, 3])
@pytest.mark.parametrize("seed", range(20))
def test_a_plan_of_some_minutes_has_a_fault_of_every_name(tmp_path: Path, brokers: int, seed: int) -> None:
    """Some have one target, others thirty: drawn alike, those with one would hardly ever come."""
    kinds = [each.kind for each in offers(site(tmp_path, brokers), hosts=Hosts(tmp_path, tmp_path / "shim.so"))]

    plan = draw_plan(kinds, seed=seed, bound_s=480, pause_s=(1, 5))

    assert {step.kind.name for step in plan} == {kind.name for kind in kinds}


def test_of_three_brokers_one_and_two_are_lost(tmp_path: Path) -> None:
    made = offers(site(tmp_path, 3), hosts=None)

    assert targets(made, "lose") == {
        *("kafka-1", "kafka-2", "kafka-3"),
        *("kafka-1+kafka-2", "kafka-2+kafka-3", "kafka-3+kafka-1"),
    }
    assert "router-2~kafka-3" in targets(made, "cut")
    assert not targets(made, "clock")  # nobody can, here


def test_a_process_has_one_fault_at_a_time_and_brokers_have_one_together(made: Sequence[Offer]) -> None:
    claims = {(each.kind.name, each.kind.target): each.kind.claims for each in made}

    assert claims["kill", "router-1"] & claims["storm", "router"]
    assert claims["kill", "router-1"] & claims["kill", "all"]
    assert not claims["kill", "router-1"] & claims["kill", "router-2"]
    brokers = [found for (_, target), found in claims.items() if target.startswith("kafka-")]
    broker_faults = [found for found in brokers if not any(claim.startswith("host ") for claim in found)]
    assert all(one & other for one, other in pairwise(broker_faults))


def test_every_fault_says_what_it_does_with_its_figures(made: Sequence[Offer]) -> None:
    for each in made:
        for strength in STRENGTHS:
            assert each.make(strength).detail
        assert each.make(0.5) is not each.make(0.5)  # none carries over what another has done


def test_a_long_plan_has_all_of_them(made: Sequence[Offer]) -> None:
    kinds = [each.kind for each in made]

    plan = draw_plan(kinds, seed=7, bound_s=20.0 * len(kinds))

    assert {step.kind for step in plan} == set(kinds)
