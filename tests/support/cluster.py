"""A Kubernetes cluster for tests: kubectl and Helm in one namespace, which is deleted at the end."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

HELM: Final = str(Path(sys.executable).with_name("helm"))
CHART: Final = Path(__file__).resolve().parent.parent.parent / "deploy" / "helm" / "eventstreams"
PAGE: Final = CHART.parents[2] / "docs" / "deploying-with-helm.md"
RUNBOOKS: Final = CHART.parents[2] / "docs" / "runbooks" / "README.md"
_WAIT_S: Final = 600.0  # so long that a busy machine fails no test
_LOOK_S: Final = 1.0
_NO_IMAGE: Final = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable"}

Done = subprocess.CompletedProcess[str]
Object = Mapping[str, Any]


class NoImageError(Exception):
    """The cluster neither has the image nor can pull it."""


def run(command: Sequence[str], *, stdin: str | None = None, timeout_s: float = _WAIT_S + 60) -> Done:
    """Run ``command``; return its output and exit code, whatever that is."""
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)


def what_is_missing() -> str | None:
    """Return a sentence that says what to do; None if the cluster that KUBECONFIG names has a ready node."""
    if not os.environ.get("KUBECONFIG"):
        return "KUBECONFIG names no cluster: set it to one that you may install on (kind create cluster makes one)"
    if shutil.which("kubectl") is None:
        return "there is no `kubectl` here: install it (kubernetes.io/docs/tasks/tools)"
    nodes = run(["kubectl", "get", "nodes", "--request-timeout=10s", "--output=json"])
    if nodes.returncode != 0:
        said = (nodes.stderr.strip().splitlines() or ["it says nothing"])[-1]
        return f"the cluster that KUBECONFIG names does not answer: start it, or name another ({said})"
    ready = [
        condition["status"] == "True"
        for node in json.loads(nodes.stdout)["items"]
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready"
    ]
    if not any(ready):
        return f"none of the cluster's {len(ready)} nodes is ready: `kubectl describe nodes` says why"
    return None


class Cluster:
    """One namespace of the cluster."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl, which must succeed; return its output."""
        done = run(["kubectl", "--namespace", self.namespace, *arguments], stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def helm(self, *arguments: str, values: Mapping[str, object] | None = None) -> Done:
        given = ["--values", "-"] if values is not None else []
        stdin = json.dumps(values) if values is not None else None
        return run([HELM, "--namespace", self.namespace, *arguments, *given], stdin=stdin)

    def helm_succeeds(self, *arguments: str, values: Mapping[str, object] | None = None) -> str:
        """Run Helm, which must succeed; return its output. A failure's text describes the state of the pods."""
        done = self.helm(*arguments, values=values)
        assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stdout}{done.stderr}\n{self.trouble()}"
        return done.stdout

    def type(self, command: str, *, release: str, secret: str = "", values: Mapping[str, object] | None = None) -> str:
        """Run commands of a documentation page, adapted by ``as_here``; they must succeed. Returns their output."""
        stdin = json.dumps(values) if values is not None else None
        script = as_here(command, namespace=self.namespace, release=release, secret=secret)
        done = run(["bash", "-ec", script], stdin=stdin)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}\n{self.trouble()}"
        return done.stdout

    @contextmanager
    def typing(self, command: str, *, release: str) -> Iterator[None]:
        """Do as ``type`` for a command that runs until it is stopped, which happens at the end of the block."""
        script = as_here(command, namespace=self.namespace, release=release, secret="")
        with subprocess.Popen(["bash", "-ec", f"exec {script}"], stdout=subprocess.DEVNULL) as process:
            try:
                yield
                assert process.poll() is None, f"{script} ended by itself, with {process.returncode}"
            finally:
                process.terminate()

    def apply(self, *objects: Object) -> None:
        self.kubectl("apply", "--filename=-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def get(self, kinds: str, *, selector: str = "") -> Sequence[Object]:
        chosen = [f"--selector={selector}"] if selector else []
        found: list[Object] = json.loads(self.kubectl("get", kinds, *chosen, "--output=json"))["items"]
        return found

    def wait_for_pod(self, name: str, *, done: bool = False) -> Object:
        """Return the pod once it is ready (or, if ``done``, has succeeded).

        Raises:
            NoImageError: Its image is missing.
        """
        found: list[Object] = []

        def there() -> bool:
            found[:] = [each for each in self.get("pods") if each["metadata"]["name"] == name]
            [pod] = found
            if reason := waits_for_image(pod):
                raise NoImageError(f"{pod['spec']['containers'][0]['image']} ({reason})")
            return bool(pod["status"]["phase"] == "Succeeded" if done else is_ready(pod))

        self.until(there, f"pod {name}")
        return found[0]

    def until(self, holds: Callable[[], bool], what: str, *, timeout_s: float = _WAIT_S) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < deadline, f"{what}: not in {timeout_s:.0f} s\n{self.trouble()}"
            time.sleep(_LOOK_S)

    def ask_pod(self, name: str, port: int, path: str) -> Any:
        """Return the JSON that a pod answers to a request through the cluster's API server."""
        return json.loads(
            self.kubectl("get", "--raw", f"/api/v1/namespaces/{self.namespace}/pods/{name}:{port}/proxy{path}")
        )

    def trouble(self) -> str:
        """Describe the namespace, for a person who looks for the cause of a failure."""
        shown = [run(["kubectl", "--namespace", self.namespace, "get", "pods,jobs", "--output=wide"]).stdout]
        events = ["get", "events", "--field-selector=type=Warning", "--sort-by=.lastTimestamp"]
        shown.append(run(["kubectl", "--namespace", self.namespace, *events]).stdout[-3000:])
        for pod in self.get("pods"):
            name = pod["metadata"]["name"]
            if not is_ready(pod):
                shown.append(f"{name}: {run(['kubectl', '-n', self.namespace, 'logs', name, '--tail=15']).stdout}")
        return "\n".join(shown)


def as_here(command: str, *, namespace: str, release: str, secret: str) -> str:
    """Return ``command`` with a test's names, the Helm of this environment, and values from standard input.

    An upgrade changes a setting instead of the image, since there is only one image; a key is created without it.
    """
    command = re.sub(r"\b(install|test|upgrade|rollback|uninstall) events\b", rf"\1 {release}", command)
    places = {
        "namespace events": f"namespace {namespace}",
        "/events-eventstreams-": f"/{release if CHART.name in release else f'{release}-{CHART.name}'}-",
        "secret generic eventstreams": f"secret generic {secret}",
        "docker run --rm registry.example.com/eventstreams:0.1.0 new-key": f"{sys.executable} -m eventstreams new-key",
        "--set image.tag=0.2.0": "--set settings.TTL=3h",
        "values.yaml": "-",
        "deploy/helm/eventstreams": str(CHART),
    }
    for place, here in places.items():
        command = command.replace(place, here)
    return re.sub(r"^helm ", f"{HELM} ", command, flags=re.MULTILINE)


def is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def waits_for_image(pod: Object) -> str | None:
    """Return why the pod has no image; None if it is not waiting for one."""
    for container in pod["status"].get("containerStatuses", ()):
        reason: str = container["state"].get("waiting", {}).get("reason", "")
        if reason in _NO_IMAGE:
            return reason
    return None
