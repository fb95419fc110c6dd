"""The chart on a real cluster: comes up, delivers, is changed under load without a loss, and goes without a trace.

The commands are those of docs/deploying-with-helm.md and of docs/runbooks/README.md.
"""

import json
import re
import sys
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import pytest

from eventstreams.local.ports import free_ports
from tests.support.cluster import CHART, PAGE, RUNBOOKS, Cluster, Object, is_ready, run
from tests.support.cluster_objects import CUSTOMER, CUSTOMER_PORT, IMAGE, RELEASE, VALUES, customer
from tests.support.page import shown, typed

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]

ROLES: Final = {"api": 2, "gateway": 2, "router": 2, "worker-webhook": 2}
OBJECTS: Final = "all,configmap,secret,serviceaccount,networkpolicy,poddisruptionbudget"
MORE: Final = 300  # events, under which a state is held


def of(release: str) -> str:
    return f"app.kubernetes.io/instance={release}"


def roles(cluster: Cluster) -> dict[str, Object]:
    """The pods of all roles, by their uid."""
    found = cluster.get("pods", selector=f"{of(RELEASE)},app.kubernetes.io/component")
    return {
        each["metadata"]["uid"]: each
        for each in found
        if each["metadata"]["labels"]["app.kubernetes.io/component"] in ROLES
    }


def all_are_well(cluster: Cluster) -> bool:
    """As many pods as there should be, each ready, none of them ending."""
    pods = roles(cluster).values()
    live = Counter(each["metadata"]["labels"]["app.kubernetes.io/component"] for each in pods if is_ready(each))
    return live == ROLES and len(pods) == sum(ROLES.values())


def restarts(cluster: Cluster) -> dict[str, int]:
    return {
        each["metadata"]["name"]: each["status"]["containerStatuses"][0]["restartCount"]
        for each in roles(cluster).values()
    }


def test_every_role_has_live_pods(installed: Cluster) -> None:
    installed.until(lambda: all_are_well(installed), "every pod ready")

    assert set(restarts(installed).values()) == {0}


def test_helm_test_follows_an_event(installed: Cluster) -> None:
    said = installed.type(f"{typed(PAGE, 'test events')} --timeout=5m", release=RELEASE)

    sys.stdout.write(said)  # make test-cluster shows it
    assert "Phase:          Succeeded" in said


def test_what_the_runbooks_readme_md_types_looks_at_a_release(installed: Cluster) -> None:
    installed.until(lambda: all_are_well(installed), "every pod ready")
    pods, logs, forward, doctor = (re.sub(r"\s+# .*", "", line) for line in shown(RUNBOOKS, "kubectl").splitlines())
    [port] = free_ports(1)  # 9100 may be taken here

    assert set(restarts(installed)) <= {line.split()[0] for line in installed.type(pods, release=RELEASE).splitlines()}
    said = installed.type(logs, release=RELEASE).splitlines()
    assert [line for line in said if not re.match(r"\[pod/\S+-worker-webhook-\S+\] ", line)] == []
    assert "kafka: answers at" in installed.type(doctor, release=RELEASE)
    with installed.typing(forward.replace(" 9100", f" {port}:9100"), release=RELEASE):
        installed.until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), "the worker's admin address", timeout_s=120)


def test_an_upgrade_a_rollback_and_pods_deleted_or_evicted_under_load_lose_no_event(installed: Cluster) -> None:
    api, gateway = f"http://{RELEASE}-api:8080", f"http://{RELEASE}-gateway:8081"
    installed.apply(*customer(IMAGE, api=api, gateway=gateway))
    installed.wait_for_pod(CUSTOMER)
    under_load(installed)

    for change, values in (("upgrade", VALUES), ("rollback", None)):
        before = roles(installed).keys()
        command = f"{typed(PAGE, f'{change} events')} --timeout=10m"
        installed.type(command, release=RELEASE, values=values)
        installed.until(lambda before=before: not before & roles(installed).keys(), "every pod replaced")  # type: ignore[misc]
        installed.until(lambda: all_are_well(installed), "every pod ready")
        under_load(installed)
        sys.stdout.write(f"{change}: {json.dumps(report(installed))}\n")
    for each in range(2):
        ended = {pod["metadata"]["name"]: ended_s for pod, ended_s in one_of_each_role_ends(installed)}
        installed.until(lambda: all_are_well(installed), "every pod ready")
        under_load(installed)
        sys.stdout.write(f"pods deleted, round {each + 1}, seconds to their ends: {json.dumps(ended)}\n")
    refused = every_pod_is_evicted(installed)
    installed.until(lambda: all_are_well(installed), "every pod ready")
    under_load(installed)
    sys.stdout.write(f"every pod evicted; evictions refused before that, by role: {json.dumps(refused)}\n")
    report(installed, "/stop")
    installed.until(lambda: report(installed)["missing"] == 0, "every event delivered", timeout_s=300)

    found = report(installed)
    assert found["failed"] == []
    assert found["accepted"] > 6 * MORE
    assert refused.keys() == ROLES.keys()  # none was to have less than one pod that is ready
    assert set(restarts(installed).values()) == {0}


def test_an_installation_that_is_removed_leaves_nothing_but_the_log_of_its_test(cluster: Cluster) -> None:
    """Its routers and workers keep their names, as of a StatefulSet; those of the other installation do not."""
    one = {"replicas": 1}
    named = {"replicas": 1, "statefulSet": True}
    values = {
        **VALUES,
        "kafka": {"bootstrapServers": "kafka:9092", "replicationFactor": 1, "topicPrefix": "brief."},
        "api": one,
        "router": named,
        "workers": {"webhook": named},
        "gateway": {"enabled": False},
    }
    cluster.helm_succeeds("install", "brief", str(CHART), "--wait", "--timeout=10m", values=values)
    cluster.helm_succeeds("test", "brief", "--timeout=5m")
    pods = {each["metadata"]["name"] for each in cluster.get("pods", selector=of("brief"))}
    assert pods >= {"brief-eventstreams-router-0", "brief-eventstreams-worker-webhook-0"}

    cluster.type(f"{typed(PAGE, 'uninstall events')} --wait --timeout=5m", release="brief")

    def left() -> list[str]:
        return [f"{each['kind']} {each['metadata']['name']}" for each in cluster.get(OBJECTS, selector=of("brief"))]

    cluster.until(lambda: left() == ["Pod brief-eventstreams-test"], "all removed", timeout_s=120)
    cluster.kubectl("delete", "pod", "brief-eventstreams-test")


def test_a_kafka_that_is_not_there_ends_an_installation_before_a_role_is_made(cluster: Cluster) -> None:
    values = {
        **VALUES,
        "kafka": {"bootstrapServers": "nobody:9092", "replicationFactor": 1},
        "settings": {"KAFKA_WAIT": "5s"},
    }

    done = cluster.helm("install", "away", str(CHART), "--timeout=5m", values=values)

    assert done.returncode != 0
    assert "BackoffLimitExceeded" in done.stderr
    assert cluster.get("deployments", selector=of("away")) == []
    assert "nobody:9092" in cluster.kubectl("logs", "job/away-eventstreams-topics")
    cluster.helm_succeeds("uninstall", "away")


def one_of_each_role_ends(cluster: Cluster) -> list[tuple[Object, float]]:
    """Delete the oldest pod of each role; return each as it was at its end, and the seconds that took.

    A finalizer keeps the pod for as long as that: its exit code is what says that it was not killed.
    """
    by_age = sorted(roles(cluster).values(), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    oldest = {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod for pod in reversed(by_age)}
    assert oldest.keys() == ROLES.keys()
    names = [pod["metadata"]["name"] for pod in oldest.values()]
    for name in names:
        hold(cluster, name, ["tests.example.com/look-at-its-end"])
    asked_at = datetime.now(UTC)  # the pod's own deletionTimestamp changes once it has ended
    cluster.kubectl("delete", "pod", *names, "--wait=false")
    ends: dict[str, Object] = {}

    def all_ended() -> bool:
        found = {pod["metadata"]["name"]: pod for pod in roles(cluster).values()}
        ends.update({name: found[name] for name in names if terminated(found[name]) is not None})
        return ends.keys() == set(names)

    try:
        cluster.until(all_ended, f"the end of {names}", timeout_s=300)
    finally:
        for name in names:
            hold(cluster, name, [])
    took = []
    for name, pod in ends.items():
        end = terminated(pod)
        assert end is not None
        assert (end["exitCode"], end["reason"]) == (0, "Completed"), f"{name}: {end}"
        took.append((pod, round((datetime.fromisoformat(end["finishedAt"]) - asked_at).total_seconds(), 1)))
    return took


def every_pod_is_evicted(cluster: Cluster) -> Mapping[str, int]:
    """Evict each pod, as ``kubectl drain`` does on its node, as soon as the disruption budget of its role allows it.

    Returns how often it did not, by role.
    """
    left, refused = dict(roles(cluster)), Counter[str]()

    def all_evicted() -> bool:
        for uid, pod in list(left.items()):
            if evict(cluster, pod["metadata"]["name"]):
                del left[uid]
            else:
                refused[pod["metadata"]["labels"]["app.kubernetes.io/component"]] += 1
        return not left

    cluster.until(all_evicted, "every pod evicted")
    return refused


def evict(cluster: Cluster, name: str) -> bool:
    """Return whether the pod may be evicted, which it then is; False: not yet, by its disruption budget."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    url = f"/api/v1/namespaces/{cluster.namespace}/pods/{name}/eviction"
    done = run(["kubectl", "create", "--raw", url, "--filename=-"], stdin=json.dumps(eviction))
    assert done.returncode == 0 or "(TooManyRequests)" in done.stderr, done.stderr
    return done.returncode == 0


def hold(cluster: Cluster, name: str, finalizers: Sequence[str]) -> None:
    patch = json.dumps({"metadata": {"finalizers": finalizers}})
    cluster.kubectl("patch", "pod", name, "--type=merge", f"--patch={patch}")


def terminated(pod: Object) -> Any:
    """How the pod's container ended; None while it runs."""
    return pod["status"]["containerStatuses"][0]["state"].get("terminated")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:  # nobody listens there yet, or the way behind it is not there yet
        return False


def report(cluster: Cluster, path: str = "/report") -> Any:
    return cluster.ask_pod(CUSTOMER, CUSTOMER_PORT, path)


def under_load(cluster: Cluster) -> None:
    """Return once ``MORE`` more events were accepted."""
    want = report(cluster)["accepted"] + MORE
    cluster.until(lambda: report(cluster)["accepted"] >= want, f"{want} events accepted")
