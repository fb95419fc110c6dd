"""A real Prometheus for tests, and the expressions that our rules and dashboards query."""

import re
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson
import yaml

from eventstreams.local.ports import free_ports
from tools.prometheus import find_programs

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"
RULES: Final = DEPLOY / "helm/eventstreams/files/rules"
INSTALLATION: Final = "test"
_READY_S: Final = 60.0
_STOP_S: Final = 60.0
_OURS: Final = re.compile(r"eventstreams[_:][a-z0-9_:]*(?:\{[^}]*\})?")


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expr: str) -> Sequence[Mapping[str, Any]]:
        """Return the current series of ``expr``.

        Raises:
            AssertionError: Prometheus cannot evaluate it; the text says why.
        """
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expr})}") as answer:
                found: Sequence[Mapping[str, Any]] = orjson.loads(answer.read())["data"]["result"]
                return found
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expr}: {error.read().decode()}") from None

    def value(self, expr: str) -> float | None:
        """Return the single value of ``expr``; None if it has none."""
        found = self.query(expr)
        return float(found[0]["value"][1]) if found else None


@contextmanager
def running_prometheus(folder: Path, targets: Mapping[str, str]) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes ``targets``, given by role, and evaluates our rules every second."""
    folder.mkdir()
    jobs = [
        {"targets": [address.removeprefix("http://")], "labels": {"role": role, "installation": INSTALLATION}}
        for role, address in targets.items()
    ]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES / "*.yaml")],
        "scrape_configs": [{"job_name": "eventstreams", "static_configs": jobs}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    [port] = free_ports(1)
    prometheus = Prometheus(f"http://127.0.0.1:{port}")
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                find_programs().prometheus,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=out,
            stderr=out,
        )
    try:
        _wait(f"http://127.0.0.1:{port}/-/ready", process, log)
        yield prometheus
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline or process.poll() is not None:
                raise TimeoutError(f"Prometheus did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)


def rules() -> Iterator[Mapping[str, Any]]:
    """Yield every rule in ``deploy/helm/eventstreams/files/rules``."""
    for file in sorted(RULES.glob("*.yaml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


def selectors(expr: str) -> Sequence[str]:
    """Return the selectors of our metrics in ``expr``, with their labels."""
    return sorted(set(_OURS.findall(expr)))


def dashboard_queries(**variables: str) -> Iterator[tuple[str, str, str]]:
    """Yield (dashboard, panel title, expression with its variables filled in) for every query of a panel."""
    for file in sorted((DEPLOY / "helm/eventstreams/files/dashboards").glob("*.json")):
        page = orjson.loads(file.read_bytes())
        for panel in page["panels"]:
            for target in panel.get("targets", ()):
                expr = target["expr"]
                for name, value in variables.items():
                    expr = expr.replace(f"${name}", value)
                yield file.stem, panel["title"], expr
