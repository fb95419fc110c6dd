"""KEDA for tests: whether the cluster has it, the Prometheus that it queries, and how it scales a Deployment."""

import json
import os
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.cluster import Cluster, Object, run
from tests.support.cluster_objects import IMAGE, pod, service

PROMETHEUS: Final = "prometheus"
PROMETHEUS_IMAGE: Final = os.environ.get("PROMETHEUS_IMAGE", "prom/prometheus:v3.5.0")
SCRAPE_S: Final = 2
_PORT: Final = 9090
_PODS: Final = Path(__file__).resolve().parent.parent / "cluster" / "pods.py"
_METRICS: Final = "v1beta1.external.metrics.k8s.io"


def what_keda_lacks() -> str | None:
    """Return a sentence that says what to do; None if the cluster has a working KEDA."""
    if run(["kubectl", "get", "crd", "scaledobjects.keda.sh"]).returncode != 0:
        return "the cluster has no KEDA: install it (keda.sh/docs/latest/deploy) to have workers scaled by what is due"
    answer = run(["kubectl", "get", "apiservice", _METRICS, "--output=json"])
    conditions = json.loads(answer.stdout)["status"]["conditions"] if answer.returncode == 0 else []
    if not any(each["type"] == "Available" and each["status"] == "True" for each in conditions):
        said = conditions[0]["message"] if conditions else f"there is no {_METRICS}"
        return f"KEDA's metrics are not to be had: `kubectl get apiservice {_METRICS}` says why ({said})"
    return None


def prometheus() -> Sequence[Object]:
    """A Prometheus at ``http://prometheus:9090`` that scrapes its namespace's pods, with labels as of a PodMonitor."""
    config = {
        "global": {"scrape_interval": f"{SCRAPE_S}s", "scrape_timeout": f"{SCRAPE_S}s"},
        "scrape_configs": [
            {
                "job_name": "eventstreams",
                "http_sd_configs": [{"url": "http://127.0.0.1:8001", "refresh_interval": f"{SCRAPE_S}s"}],
            }
        ],
    }
    about = {"metadata": {"name": PROMETHEUS}}
    group = "rbac.authorization.k8s.io"
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            **about,
            "data": {"prometheus.yml": json.dumps(config), "pods.py": _PODS.read_text()},
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", **about},
        {
            "apiVersion": f"{group}/v1",
            "kind": "Role",
            **about,
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            **about,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": PROMETHEUS},
            "subjects": [{"kind": "ServiceAccount", "name": PROMETHEUS}],
        },
        service(PROMETHEUS, _PORT),
        prometheus_pod(),
    ]


def prometheus_pod() -> Object:
    container = {
        "name": PROMETHEUS,
        "image": PROMETHEUS_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["--config.file=/config/prometheus.yml", "--storage.tsdb.path=/data"],
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": _PORT}, "periodSeconds": 2},
        "volumeMounts": [{"name": "config", "mountPath": "/config"}, {"name": "data", "mountPath": "/data"}],
    }
    pods = {
        "name": "pods",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "/config/pods.py"],
        "volumeMounts": [{"name": "config", "mountPath": "/config"}],
    }
    volumes = [{"name": "config", "configMap": {"name": PROMETHEUS}}, {"name": "data", "emptyDir": {}}]
    security = {"runAsUser": 65534, "runAsGroup": 65534, "fsGroup": 65534}
    made = {"volumes": volumes, "serviceAccountName": PROMETHEUS, "securityContext": security}
    return pod(PROMETHEUS, container, **made, containers=[container, pods])


def value(cluster: Cluster, expr: str) -> float | None:
    """Return the single value of ``expr`` in that Prometheus; None if it has none."""
    path = f"/api/v1/query?{urllib.parse.urlencode({'query': expr})}"
    found = cluster.ask_pod(PROMETHEUS, _PORT, path)["data"]["result"]
    return float(found[0]["value"][1]) if found else None


class Scaling:
    """Every number of replicas that a Deployment was set to while watched, however briefly."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._began = time.monotonic()
        self._changes: list[tuple[float, int]] = []
        self._reader = threading.Thread(target=self._read, args=(lines,))
        self._reader.start()

    @property
    def numbers(self) -> Sequence[int]:
        """All numbers in order; the last is the current one."""
        return [number for _, number in self._changes]

    def shown(self) -> str:
        """Each with its time since watching began: ``0 s: 0, 12 s: 1``."""
        return ", ".join(f"{at:.0f} s: {number}" for at, number in self._changes)

    def join(self) -> None:
        """Wait until all lines have been read."""
        self._reader.join()

    def _read(self, lines: Iterable[str]) -> None:
        for line in lines:
            number = int(line)
            if not self._changes or self._changes[-1][1] != number:  # a Deployment changes in other ways, too
                self._changes.append((time.monotonic() - self._began, number))


@contextmanager
def watched(cluster: Cluster, deployment: str) -> Iterator[Scaling]:
    """Watch the Deployment inside the block."""
    command = ["kubectl", "--namespace", cluster.namespace, "get", "deployment", deployment, "--watch"]
    with subprocess.Popen(
        [*command, '--output=jsonpath={.spec.replicas}{"\\n"}'], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        scaling = Scaling(process.stdout)
        try:
            cluster.until(lambda: bool(scaling.numbers), f"deployment {deployment}")
            yield scaling
        finally:
            process.terminate()
            scaling.join()


def condition(cluster: Cluster, scaled_object: str, name: str) -> Object:
    """Return a condition of a ScaledObject: its ``status`` (``True``, ``False``, ``Unknown``) and the reason."""
    [found] = [each for each in cluster.get("scaledobjects.keda.sh") if each["metadata"]["name"] == scaled_object]
    conditions: dict[str, Object] = {each["type"]: each for each in found.get("status", {}).get("conditions", ())}
    return conditions.get(name, {"status": "Unknown"})
