"""Docker's command line as tests use it: the image, and a whole installation by compose."""

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
_BUILD_S: Final = 1800.0  # pulls and downloads, cold, on a busy machine
_UP_S: Final = 600
_GRAFANA: Final = "grafana"

Done = subprocess.CompletedProcess[str]


def run(command: Sequence[str], *, cwd: Path = ROOT, timeout_s: float = 300.0, **environ: str) -> Done:
    """What ``command`` came to, whatever its exit code is."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("EVENTSTREAMS_", "COMPOSE_"))}
    return subprocess.run(
        command, cwd=cwd, env=clean | environ, capture_output=True, text=True, timeout=timeout_s, check=False
    )


def succeed(command: Sequence[str], *, cwd: Path = ROOT, timeout_s: float = 300.0, **environ: str) -> str:
    """The output of ``command``, which must succeed."""
    done = run(command, cwd=cwd, timeout_s=timeout_s, **environ)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def what_is_missing() -> str | None:
    """One sentence that says what to install or start; None where a Docker Engine with compose answers."""
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
    """Whether the engine has the image ``name``, or a registry that it can pull it from."""
    if run(["docker", "image", "inspect", name]).returncode == 0:
        return True
    return run(["docker", "pull", "--quiet", name], timeout_s=_BUILD_S).returncode == 0


def build(tag: str, **arguments: str) -> Done:
    """``docker build`` of the image, with its build arguments."""
    given = [each for name, value in arguments.items() for each in ("--build-arg", f"{name}={value}")]
    return build_as(shlex.join(["docker", "build", "--file", "deploy/image/Dockerfile", "--tag", tag, *given, "."]))


def build_as(command: str) -> Done:
    """``docker build`` as somebody types it."""
    if run(["docker", "buildx", "version"]).returncode == 0:
        return run(["bash", "-ec", command], timeout_s=_BUILD_S)
    # The command line has nothing but the old builder left, which does as well. It leaves containers of what failed.
    tidy = command.replace("docker build", "docker build --force-rm", 1)
    return run(["bash", "-ec", tidy], timeout_s=_BUILD_S, DOCKER_BUILDKIT="0")


class Compose:
    """A copy of ``deploy/`` in a folder, with a project, a network and ports of its own."""

    def __init__(self, folder: Path, *, project: str, subnet: str, images: Mapping[str, str]) -> None:
        """A project that is not up.

        Args:
            folder: Gets the copy.
            project: Its name, which nobody else has.
            subnet: Of the network that webhooks may reach.
            images: Variables that name other images than compose.yaml does.
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
        """``docker compose`` with ``arguments``."""
        return run(["docker", "compose", *arguments], cwd=self.folder, timeout_s=timeout_s, **(self._environ | environ))

    def type(self, command: str, *, timeout_s: float = 300.0) -> Done:
        """What a person types in the folder of compose.yaml."""
        return run(["bash", "-ec", command], cwd=self.folder, timeout_s=timeout_s, **self._environ)

    def new_certificates(self) -> None:
        succeed(["bash", "-ec", typed(PAGE, "new-certificates.sh")], cwd=self.folder)

    def add_file(self, name: str) -> None:
        """Have .env name one more overlay."""
        env = self.folder / ".env"
        env.write_text(env.read_text().replace("=compose.yaml", f"=compose.yaml:{name}", 1))

    def set(self, **variables: str) -> None:
        """Add lines to .env, each value as it stands there."""
        with (self.folder / ".env").open("a") as env:
            env.writelines(f"{name}={value}\n" for name, value in variables.items())

    def credentials(self) -> tuple[str, str]:
        """The account in .env, and its token."""
        env = (self.folder / ".env").read_text()
        [account] = re.findall(r"^EVENTSTREAMS_ACCOUNT_SID=(.+)$", env, re.MULTILINE)
        [token] = re.findall(r"^EVENTSTREAMS_AUTH_TOKEN=(.+)$", env, re.MULTILINE)
        return account, token

    def new_env(self) -> Done:
        """Make .env to try it out, from the root of the copy."""
        script = f"{typed(PAGE, 'cd deploy')}\n{typed(PAGE, 'new-env.sh --try')}"
        return run(["bash", "-ec", script], cwd=self.folder.parent.parent)

    def up(self, *services: str) -> None:
        """Return once ``services`` are healthy; default: all but Grafana, whose image is large and asked by no test."""
        services = services or tuple(name for name in self.services() if name != _GRAFANA)
        self._patient(services)
        whole, built = typed(PAGE, "compose up --build"), "--build"
        assert built in whole
        here = whole.replace(built, f"--no-build --wait-timeout {_UP_S}")  # the image is there
        done = self.type(f"{here} {' '.join(services)}", timeout_s=_UP_S + 60)
        assert done.returncode == 0, f"{done.stderr[-2000:]}\n{self('logs', '--tail', '20').stdout[-8000:]}"

    def scale(self, *services: str) -> None:
        """Run more of two roles, as the page has it; of ``services``, and the others stay as they are."""
        done = self.type(f"{typed(PAGE, '--scale')} --no-build {' '.join(services)}", timeout_s=_UP_S)
        assert done.returncode == 0, done.stderr[-2000:]

    def services(self) -> list[str]:
        """Of the files and profiles that .env names."""
        return self("config", "--services").stdout.split()

    def state(self) -> dict[str, dict[str, Any]]:
        """What Docker says of each service's container."""
        lines = self("ps", "--all", "--format", "json").stdout.splitlines()
        return {found["Service"]: found for found in map(json.loads, lines)}

    def inspect(self, service: str) -> dict[str, Any]:
        """All that Docker knows of the container of ``service``."""
        [found] = json.loads(succeed(["docker", "inspect", str(self.state()[service]["ID"])]))
        return dict(found)

    def port(self, service: str, port: int) -> str:
        """``host:port`` that a port of ``service`` is published at."""
        return self("port", service, str(port)).stdout.strip()

    def wait_until_healthy(self, service: str, *, timeout_s: float = 180.0) -> None:
        deadline = time.monotonic() + timeout_s
        while self.state()[service]["Health"] != "healthy":
            assert time.monotonic() < deadline, self("logs", "--tail", "20", service).stdout
            time.sleep(0.5)

    def down(self) -> None:
        self("--profile", "*", "down", "--volumes", "--remove-orphans", timeout_s=180.0)

    def _patient(self, services: Sequence[str]) -> None:
        """A busy machine is no finding: a check may take a minute here. Beside the files that .env names."""
        slow = {"healthcheck": {"timeout": "60s", "interval": "5s", "retries": 20}}
        checked = {name: slow for name in services if name != "topics"}
        (self.folder / "compose.slow.json").write_text(json.dumps({"services": checked}))
        env = self.folder / ".env"
        lines = [
            f"{line}:compose.slow.json" if line.startswith("COMPOSE_FILE=") else line
            for line in env.read_text().splitlines()
        ]
        env.write_text("\n".join([*lines, ""]))
