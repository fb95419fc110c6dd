"""Docker's command line for tests: builds the image, and runs a whole installation with compose."""

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.page import typed

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PAGE: Final = ROOT / "docs" / "deploying-with-compose.md"
IMAGE: Final = "eventstreams:test"
_BUILD_S: Final = 1800.0  # with cold caches, including downloads, on a busy machine
_UP_S: Final = 600
_GRAFANA: Final = "grafana"

Done = subprocess.CompletedProcess[str]


def run(command: Sequence[str], *, cwd: Path = ROOT, timeout_s: float = 300.0, **environ: str) -> Done:
    """Run ``command``; return its output and exit code, whatever that is."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("EVENTSTREAMS_", "COMPOSE_"))}
    return subprocess.run(
        command, cwd=cwd, env=clean | environ, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def succeed(command: Sequence[str], *, cwd: Path = ROOT, timeout_s: float = 300.0, **environ: str) -> str:
    """Run ``command``, which must succeed; return its output."""
    done = run(command, cwd=cwd, timeout_s=timeout_s, **environ)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def what_is_missing() -> str | None:
    """Return a sentence that says what to install or start; None if a Docker Engine with compose answers."""
    if shutil.which("docker") is None:
        return "there is no `docker` here: install Docker Engine 20.10 or newer (docs.docker.com/engine/install)"
    engine = run(["docker", "info", "--format", "{{.ServerVersion}}"])
    if engine.returncode != 0:
        said = (engine.stderr.strip().splitlines() or ["it says nothing"])[-1]
        return f"no Docker Engine answers `docker info`: install or start one, or set DOCKER_HOST ({said})"
    if run(["docker", "compose", "version"]).returncode != 0:
        return "docker has no `compose`: install the plugin, 2.24 or newer (package docker-compose-plugin)"
    return None


def have_image(name: str) -> bool:
    """Return whether the engine has the image ``name``, or can pull it from a registry."""
    if run(["docker", "image", "inspect", name]).returncode == 0:
        return True
    return run(["docker", "pull", "--quiet", name], timeout_s=_BUILD_S).returncode == 0


def build(tag: str, **arguments: str) -> Done:
    """Run ``docker build`` for the image, with build arguments."""
    given = [each for name, value in arguments.items() for each in ("--build-arg", f"{name}={value}")]
    return build_as(shlex.join(["docker", "build", "--file", "deploy/image/Dockerfile", "--tag", tag, *given, "."]))


def build_as(command: str) -> Done:
    """Run ``docker build`` as a person types it."""
    if run(["docker", "buildx", "version"]).returncode == 0:
        return run(["bash", "-ec", command], timeout_s=_BUILD_S)
    # Without buildx, Docker has only its old builder, which suffices but leaves containers of failed builds behind.
    tidy = command.replace("docker build", "docker build --force-rm", 1)
    return run(["bash", "-ec", tidy], timeout_s=_BUILD_S, DOCKER_BUILDKIT="0")


class Compose:
    """A copy of ``deploy/`` in a folder, with a compose project, network and ports of its own."""

    def __init__(self, folder: Path, *, project: str, subnet: str, images: Mapping[str, str]) -> None:
        """Prepare a project without starting it.

        Args:
            folder: Where to put the copy.
            project: A unique project name.
            subnet: Subnet of the network that webhooks may reach.
            images: Variables that select other images than compose.yaml does.
        """
        shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns(".env", "settings.env"))
        self.folder = folder / "deploy" / "compose"
        self._environ = {
            "COMPOSE_PROJECT_NAME": project,
            "EVENTSTREAMS_IMAGE": IMAGE,
            "EDGE_SUBNET": subnet,
            **{f"{name}_PORT": "127.0.0.1:0" for name in ("EVENTSTREAMS_API", "EVENTSTREAMS_GATEWAY", "PROMETHEUS")},
            **images,
        }

    def __call__(self, *arguments: str, timeout_s: float = 300.0, **environ: str) -> Done:
        """Run ``docker compose`` with ``arguments``."""
        return run(["docker", "compose", *arguments], cwd=self.folder, timeout_s=timeout_s, **(self._environ | environ))

    def type(self, command: str, *, timeout_s: float = 300.0) -> Done:
        """Run what a person types in the folder of compose.yaml."""
        return run(["bash", "-ec", command], cwd=self.folder, timeout_s=timeout_s, **self._environ)

    def new_certificates(self) -> None:
        succeed(["bash", "-ec", typed(PAGE, "new-certificates.sh")], cwd=self.folder)

    def add_file(self, name: str) -> None:
        """Add one more overlay to .env."""
        env = self.folder / ".env"
        env.write_text(env.read_text().replace("=compose.yaml", f"=compose.yaml:{name}", 1))

    def set(self, **variables: str) -> None:
        """Add lines to .env, with the values as they are to stand there."""
        with (self.folder / ".env").open("a") as env:
            env.writelines(f"{name}={value}\n" for name, value in variables.items())

    def credentials(self) -> tuple[str, str]:
        """The account in .env, and its token."""
        env = (self.folder / ".env").read_text()
        [account] = re.findall(r"^EVENTSTREAMS_ACCOUNT_SID=(.+)$", env, re.MULTILINE)
        [token] = re.findall(r"^EVENTSTREAMS_AUTH_TOKEN=(.+)$", env, re.MULTILINE)
        return account, token

    def new_env(self) -> Done:
        """Generate .env for trying it out, from the root of the copy."""
        script = f"{typed(PAGE, 'cd deploy')}\n{typed(PAGE, 'new-env.sh --try')}"
        return run(["bash", "-ec", script], cwd=self.folder.parent.parent)

    def up(self, *services: str) -> None:
        """Start ``services`` until healthy; default: all but Grafana, whose image is large and which no test needs."""
        services = services or tuple(name for name in self.services() if name != _GRAFANA)
        self._patient(services)
        whole, built = typed(PAGE, "compose up --build"), "--build"
        assert built in whole
        here = whole.replace(built, f"--no-build --wait-timeout {_UP_S}")  # the image is there
        done = self.type(f"{here} {' '.join(services)}", timeout_s=_UP_S + 60)
        assert done.returncode == 0, f"{done.stderr[-2000:]}\n{self('logs', '--tail', '20').stdout[-8000:]}"

    def scale(self, *services: str) -> None:
        """Scale up two roles as the documentation does; only ``services`` are affected."""
        done = self.type(f"{typed(PAGE, '--scale')} --no-build {' '.join(services)}", timeout_s=_UP_S)
        assert done.returncode == 0, done.stderr[-2000:]

    def services(self) -> list[str]:
        """The services of the files and profiles that .env names."""
        return self("config", "--services").stdout.split()

    def state(self) -> dict[str, dict[str, Any]]:
        """Docker's state of each service's container."""
        lines = self("ps", "--all", "--format", "json").stdout.splitlines()
        return {found["Service"]: found for found in map(json.loads, lines)}

    def inspect(self, service: str) -> dict[str, Any]:
        """Everything that ``docker inspect`` reports of the container of ``service``."""
        [found] = json.loads(succeed(["docker", "inspect", str(self.state()[service]["ID"])]))
        return dict(found)

    def port(self, service: str, port: int) -> str:
        """Return the ``host:port`` at which a port of ``service`` is published."""
        return self("port", service, str(port)).stdout.strip()

    def wait_until_healthy(self, service: str, *, timeout_s: float = 180.0) -> None:
        deadline = time.monotonic() + timeout_s
        while self.state()[service]["Health"] != "healthy":
            assert time.monotonic() < deadline, self("logs", "--tail", "20", service).stdout
            time.sleep(0.5)

    def down(self) -> None:
        self("--profile", "*", "down", "--volumes", "--remove-orphans", timeout_s=180.0)

    def _patient(self, services: Sequence[str]) -> None:
        """Add an overlay that gives health checks a minute, so that a busy machine fails no test."""
        slow = {"healthcheck": {"timeout": "60s", "interval": "5s", "retries": 20}}
        checked = {name: slow for name in services if name != "topics"}
        (self.folder / "compose.slow.json").write_text(json.dumps({"services": checked}))
        env = self.folder / ".env"
        lines = [
            f"{line}:compose.slow.json" if line.startswith("COMPOSE_FILE=") else line
            for line in env.read_text().splitlines()
        ]
        env.write_text("\n".join([*lines, ""]))
