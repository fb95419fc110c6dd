"""A real schema registry for tests: Apicurio Registry, whose Confluent-compatible API keeps all in memory."""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from jgo.maven import MavenContext, PythonResolver

from eventstreams.local.java import find_java
from eventstreams.local.kafka import default_cache
from eventstreams.local.ports import free_ports

_GROUP, _ARTIFACT, _VERSION = "io.apicurio", "apicurio-registry-app", "2.6.13.Final"
_SHA256: Final = "3cda1b34aa020fb4ac4dd6a66018d757e81e437f97e20a1f92d366b70091c6ba"
_JAR: Final = f"{_ARTIFACT}-{_VERSION}-runner.jar"
_FETCH_S: Final = 60
_READY_S: Final = 120.0
_STOP_S: Final = 60.0


@contextmanager
def running_schema_registry() -> Iterator[str]:
    """Run a registry on a free port; yields the base URL of its API."""
    folder = _fetch()
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
    # With only the first tier of Java's compiler it starts in a fifth of the time.
    options = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    with tempfile.NamedTemporaryFile(prefix="es-registry-", suffix=".log") as log:
        process = subprocess.Popen(
            [find_java(), *options, "-jar", folder / _JAR],
            cwd=folder,
            env=os.environ | {"QUARKUS_HTTP_HOST": "127.0.0.1", "QUARKUS_HTTP_PORT": str(port)},
            stdout=log,
            stderr=log,
        )
        try:
            _wait(url, process, Path(log.name))
            yield url
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
            with urllib.request.urlopen(f"{url}/subjects", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline or process.poll() is not None:
                raise TimeoutError(f"the schema registry did not start: {log.read_text()[-3000:]}") from None
            time.sleep(0.1)


def _fetch() -> Path:
    """Return where the program is; fetched once into the cache (140 MB) and checked against its hash."""
    cache = default_cache()
    folder = cache / f"apicurio-{_VERSION}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".apicurio.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=cache, prefix=".fetching-") as scratch:
                context = MavenContext(PythonResolver(), repo_cache=Path(scratch), local_repos=[], timeout=_FETCH_S)
                component = context.project(_GROUP, _ARTIFACT).at_version(_VERSION)
                archive = component.artifact("all", "tar.gz").resolve()
                with archive.open("rb") as file:
                    assert hashlib.file_digest(file, "sha256").hexdigest() == _SHA256, (
                        f"{archive} is not what was pinned"
                    )
                made = Path(scratch) / "made"
                with tarfile.open(archive) as tar:
                    tar.extractall(made, filter="data")
                shutil.move(made, folder)
    return folder
