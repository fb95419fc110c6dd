"""Real KEDA scales a group of workers by what is due: none, one, many, none; without figures it scales nothing."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import pytest

from tests.support.cluster import CHART, Cluster, NoImageError
from tests.support.cluster_keda import (
    PROMETHEUS,
    Scaling,
    condition,
    prometheus,
    prometheus_pod,
    value,
    watched,
    what_keda_lacks,
)
from tests.support.cluster_objects import CUSTOMER_PORT, IMAGE, VALUES, customer

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]

RELEASE: Final = "scaled"
CUSTOMER: Final = "bursts"
WORKERS: Final = f"{RELEASE}-eventstreams-worker-webhook"
MOST: Final = 3  # workers, one for each subscription
BURST: Final = 900  # events for each; each sink takes five a second
COOLDOWN_S: Final = 10
ONE: Final = {"replicas": 1}


def values(namespace: str) -> dict[str, object]:
    scaling = {"kind": "keda", "min": 0, "max": MOST, "threshold": 100}
    settings = VALUES["settings"]
    assert isinstance(settings, dict)
    return {
        **VALUES,
        "kafka": {"bootstrapServers": "kafka:9092", "replicationFactor": 1, "topicPrefix": "scaled."},
        "api": ONE,
        "gateway": ONE,
        "router": ONE,
        "workers": {"webhook": {"autoscaling": scaling}},
        "keda": {
            "prometheusAddress": f"http://{PROMETHEUS}.{namespace}:9090",
            "pollingInterval": 5,
            "cooldownPeriod": COOLDOWN_S,
        },
        # A retry that waits for a minute or more is looked at once or twice until then, as it is by default.
        "settings": {**settings, "RETRY_PARTITIONS": 12},
        "networkPolicy": {"workerEgress": [{"to": [{"podSelector": {"matchLabels": {"app": CUSTOMER}}}]}]},
    }


def lacking(problem: str) -> NoReturn:
    """Skip the test by hand, on a cluster without KEDA; in CI whoever names a cluster wants all of it tested."""
    if os.environ.get("CI"):
        pytest.fail(problem)
    pytest.skip(problem)


@pytest.fixture(scope="module")
def scaled(cluster: Cluster) -> Iterator[Cluster]:
    """The chart with workers that KEDA scales, Prometheus, and the customer of ``bursts.py``."""
    if problem := what_keda_lacks():
        lacking(problem)
    cluster.apply(*prometheus())
    try:
        cluster.wait_for_pod(PROMETHEUS)
    except NoImageError as error:
        lacking(f"the cluster has no image {error}: name one that it can have by PROMETHEUS_IMAGE")
    cluster.helm_succeeds("install", RELEASE, str(CHART), "--wait", "--timeout=10m", values=values(cluster.namespace))
    name = f"{RELEASE}-eventstreams"
    cluster.apply(
        *customer(IMAGE, api=f"http://{name}-api:8080", gateway=f"http://{name}-gateway:8081", script=CUSTOMER)
    )
    cluster.wait_for_pod(CUSTOMER)
    yield cluster
    cluster.helm_succeeds("uninstall", RELEASE, "--wait", "--timeout=5m")


@pytest.fixture
def scaling(scaled: Cluster) -> Iterator[Scaling]:
    """From when nothing waits and there is no worker."""
    ask(scaled, "/answers/204")
    ask(scaled, "/retries/1s")  # an answer that came too late is no reason for a wait in which a group goes to none
    scaled.until(
        lambda: waiting(scaled) == 0 and workers(scaled) == 0, "no worker, and nothing that waits", timeout_s=900
    )
    with watched(scaled, WORKERS) as scaling:
        assert scaling.numbers == [0]
        yield scaling


def test_a_group_goes_from_none_to_one_to_many_to_none(scaled: Cluster, scaling: Scaling) -> None:
    tell = telling(scaled, scaling)

    ask(scaled, f"/publish/{BURST}/{MOST}")
    tell(f"{MOST * BURST} events published")
    scaled.until(lambda: len(scaling.numbers) > 1, "the first worker")  # others may be asked for by now
    tell("the first worker is asked for")
    scaled.until(lambda: scaling.numbers[-1] == MOST, "as many workers as there may be")
    tell("more are asked for")
    scaled.until(lambda: deliverers(scaled) == MOST, "each of them delivering")
    tell(f"{MOST} of them deliver")
    scaled.until(lambda: ask(scaled, "/report")["missing"] == 0, "every event delivered")
    tell("all are delivered")
    scaled.until(lambda: workers(scaled) == 0, "no worker")
    tell("the group is at none")

    assert scaling.numbers[:2] == [0, 1]
    assert sorted(scaling.numbers[:-1]) == scaling.numbers[:-1]  # up, and down to none at once
    assert (max(scaling.numbers), scaling.numbers[-1]) == (MOST, 0)


def test_a_retry_that_waits_keeps_no_worker_and_brings_one_when_it_is_due(scaled: Cluster, scaling: Scaling) -> None:
    tell = telling(scaled, scaling)

    ask(scaled, "/answers/503")
    ask(scaled, "/retries/4m")  # drawn at random below it
    ask(scaled, "/publish/1/1")
    scaled.until(lambda: waiting_retries(scaled) == 1, "a retry that waits")
    tell("its first attempt failed")
    scaled.until(lambda: workers(scaled) == 0 and waiting_retries(scaled) == 1, "no worker, and a retry that waits")
    tell("it waits still, and the group is at none")
    assert ask(scaled, "/report")["missing"] == 1
    ask(scaled, "/answers/204")
    scaled.until(lambda: ask(scaled, "/report")["missing"] == 0, "it is delivered")
    tell("it was due, and is delivered")
    scaled.until(lambda: workers(scaled) == 0, "no worker")
    tell("the group is at none")

    assert set(scaling.numbers) == {0, 1}


def test_without_figures_nothing_is_scaled(scaled: Cluster, scaling: Scaling) -> None:
    tell = telling(scaled, scaling)

    ask(scaled, "/paused/true")
    ask(scaled, "/publish/1/1")
    scaled.until(lambda: workers(scaled) == 1, "the worker that stays for a sink that is paused")
    tell("an event waits for a sink that is paused")
    scaled.kubectl("delete", "pod", PROMETHEUS, "--wait")
    ask(scaled, "/paused/false")
    scaled.until(lambda: ask(scaled, "/report")["missing"] == 0, "it is delivered")
    scaled.until(lambda: condition(scaled, WORKERS, "Ready")["status"] == "False", "KEDA without an answer")
    since = time.monotonic()
    scaled.until(lambda: time.monotonic() - since > 3 * COOLDOWN_S, "thrice the time after which it would end workers")
    assert condition(scaled, WORKERS, "Ready")["status"] == "False"
    assert scaling.numbers == [0, 1]
    scaled.apply(prometheus_pod())
    scaled.wait_for_pod(PROMETHEUS)
    scaled.until(lambda: workers(scaled) == 0, "no worker")
    tell("Prometheus was away, and is back")

    assert scaling.numbers == [0, 1, 0]


def ask(cluster: Cluster, path: str) -> Any:
    return cluster.ask_pod(CUSTOMER, CUSTOMER_PORT, path)


def workers(cluster: Cluster) -> int:
    """Pods, those that end included."""
    selector = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=worker-webhook"
    return len(cluster.get("pods", selector=selector))


def told(cluster: Cluster, name: str, labels: str = "") -> float | None:
    """What the API of the release says of webhooks."""
    return value(cluster, f'sum(eventstreams_{name}{{sink_type="webhook",pod=~"{RELEASE}-.+",{labels}}})')


def waiting(cluster: Cluster) -> float:
    """Events that are not settled, as far as is known; below zero where nothing is."""
    found = [told(cluster, "backlog_events"), told(cluster, "retry_backlog_events")]
    return sum(-1 if each is None else each for each in found)


def waiting_retries(cluster: Cluster) -> float | None:
    return told(cluster, "retry_backlog_events", 'state="waiting"')


def deliverers(cluster: Cluster) -> float | None:
    """Workers that have made an attempt."""
    made = f'eventstreams_delivery_attempts_total{{pod=~"{WORKERS}-.+"}}'
    return value(cluster, f"count(sum by (pod) ({made}) > 0)")


def telling(cluster: Cluster, scaling: Scaling) -> Callable[[str], None]:
    """Says what is done, at which second, and what came of it; make test-cluster shows it."""
    began = time.monotonic()

    def tell(what: str) -> None:
        due = told(cluster, "due_events")
        sys.stdout.write(
            f"{datetime.now(UTC):%H:%M:%S}, {time.monotonic() - began:.0f} s: {what}; due: {due}, "
            f"workers asked for ({scaling.shown()})\n"
        )
        sys.stdout.flush()

    return tell
