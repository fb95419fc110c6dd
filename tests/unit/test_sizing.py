"""What a load needs: more of it never needs less, and every figure is one that a page or a benchmark has."""

from dataclasses import replace

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.cli.main import eventstreams
from eventstreams.settings import Settings
from eventstreams.sizing import measured
from eventstreams.sizing.model import Load, Size, size
from eventstreams.topics import Topics
from sink_workers.gates.gradient import USUAL

LOADS = st.builds(
    Load,
    events_per_s=st.floats(0, 100_000),
    subscriptions=st.integers(1, 20_000),
    fan_out=st.floats(0, 50),
    receiver_ms=st.floats(0, 10_000),
    event_bytes=st.integers(1, 100_000),
    batch=st.integers(1, 100),
    sink_types=st.integers(1, 7),
    replicas=st.integers(1, 5),
)


def processes(found: Size) -> dict[str, int]:
    return {each.role: each.processes for each in found.needs}


@given(LOADS, st.floats(1, 10))
def test_more_events_never_need_less_of_anything(load: Load, times: float) -> None:
    less, more = size(load), size(replace(load, events_per_s=load.events_per_s * times))

    assert all(processes(more)[role] >= count for role, count in processes(less).items())
    assert more.partitions >= less.partitions
    assert more.disk_gib >= less.disk_gib
    assert more.write_mib_s >= less.write_mib_s


@given(LOADS, st.floats(1, 10))
def test_wider_fan_out_and_slower_receivers_never_need_fewer_workers(load: Load, times: float) -> None:
    before = processes(size(load))["workers"]

    assert processes(size(replace(load, fan_out=load.fan_out * times)))["workers"] >= before
    assert processes(size(replace(load, receiver_ms=load.receiver_ms * times)))["workers"] >= before


@given(LOADS, st.integers(1, 100))
def test_larger_batches_never_need_more_workers(load: Load, batch: int) -> None:
    smaller, larger = sorted((load.batch, batch))

    needs = [processes(size(replace(load, batch=each)))["workers"] for each in (smaller, larger)]

    assert needs[1] <= needs[0]


@given(LOADS, st.integers(0, 5_000))
def test_more_subscriptions_never_need_fewer_brokers_or_less_memory_of_routers(load: Load, more: int) -> None:
    before, after = size(load), size(replace(load, subscriptions=load.subscriptions + more, events_per_s=0))
    before = size(replace(load, events_per_s=0))

    assert processes(after)["brokers"] >= processes(before)["brokers"]
    assert [each.mib for each in after.needs if each.role == "routers"] >= [
        each.mib for each in before.needs if each.role == "routers"
    ]


def test_an_idle_installation_has_two_of_each_role_and_the_partitions_that_ours_has() -> None:
    found, settings = size(Load(events_per_s=0, subscriptions=1)), Settings.load()
    topics = Topics(settings)
    shared = [*topics.base_specs(), *topics.worker_specs("webhook")]

    assert processes(found) == {"brokers": 3, "gateways": 2, "routers": 2, "workers": 2, "api": 2}
    assert found.partitions == sum(spec.partitions for spec in shared) + 1
    assert found.warnings == ()


def test_figures_are_those_of_the_parts_they_come_from() -> None:
    assert measured.SINK_REQUESTS == USUAL
    base, each = measured.ROUTER_MIB
    assert (base + 1000 * each, base + 5000 * each) == pytest.approx((288, 722), abs=4)
    base, each = measured.WORKER_MIB
    assert (base + 1000 * each, base + 5000 * each) == pytest.approx((120, 303), abs=4)


@given(LOADS, st.integers(1, 100_000))
def test_larger_events_never_need_less_of_anything(load: Load, more: int) -> None:
    before, after = size(load), size(replace(load, event_bytes=load.event_bytes + more))

    assert all(processes(after)[role] >= count for role, count in processes(before).items())
    assert after.disk_gib >= before.disk_gib


def test_what_one_installation_was_not_measured_with_is_divided_among_several() -> None:
    whole = size(Load(events_per_s=100_000, subscriptions=1_000_000))
    part = size(Load(events_per_s=500, subscriptions=5_000))

    assert (
        "divide the accounts among 200 installations, each with 500 events/s and 5,000 subscriptions"
        in whole.warnings[0]
    )
    assert "the delivery log would need" in whole.warnings[1]
    assert part.warnings == ()


def test_brokers_are_counted_for_their_cpu_too() -> None:
    few, many = (size(Load(events_per_s=rate, subscriptions=10, receiver_ms=1)) for rate in (10, 50_000))

    assert few.partitions == many.partitions
    assert processes(many)["brokers"] > processes(few)["brokers"]


def test_a_receiver_that_is_too_slow_for_its_share_is_told_of() -> None:
    slow = size(Load(events_per_s=2_000, subscriptions=1, receiver_ms=2_000))

    assert slow.subscription_partitions == 16
    assert "a subscription would need 125 partitions, but at most 16" in slow.warnings[0]


def test_the_command_shows_each_role_with_its_figures_and_the_same_as_json() -> None:
    asked = ["sizing", "--events-per-second", "1000", "--subscriptions", "500", "--fan-out", "2"]

    text = CliRunner().invoke(eventstreams, asked)
    json = CliRunner().invoke(eventstreams, [*asked, "-o", "json"])

    assert text.exit_code == json.exit_code == 0
    told = orjson.loads(json.stdout)
    assert told["load"]["fan_out"] == 2
    for need in told["needs"]:
        assert f"{need['processes']:>6} {need['role']}" in text.stdout
        assert need["because"] in text.stdout


@pytest.mark.parametrize("number", ["nan", "inf", "-1", "many", "1e10"])
def test_what_is_no_rate_is_a_sentence(number: str) -> None:
    done = CliRunner().invoke(eventstreams, ["sizing", "--events-per-second", number, "--subscriptions", "1"])

    assert done.exit_code == 2
    assert "Error: " in done.stderr
