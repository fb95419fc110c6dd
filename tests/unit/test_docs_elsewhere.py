"""What tests/docker and tests/cluster type is what pages show, with names of tests: without an engine or a cluster."""

import os
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support import cluster, docker
from tests.support.cluster_objects import RELEASE, SECRETS
from tests.support.page import shown, typed

HELM: Final = f"{cluster.HELM} --namespace ns"


@pytest.mark.parametrize(
    ("words", "here"),
    [
        ("kubectl create namespace", "kubectl create namespace ns"),
        (" install events", f"{HELM} install {RELEASE} {cluster.CHART} --values - --wait"),
        ("test events", f"{HELM} test {RELEASE}"),
        ("upgrade events", f"{HELM} upgrade {RELEASE} {cluster.CHART} --values - --set settings.TTL=3h --wait"),
        ("rollback events", f"{HELM} rollback {RELEASE} --wait"),
        ("uninstall events", f"{HELM} uninstall {RELEASE}"),
    ],
)
def test_a_command_of_docs_deploying_with_helm_md_is_typed_in_a_test_s_namespace(words: str, here: str) -> None:
    command = typed(cluster.PAGE, words)

    assert cluster.as_here(command, namespace="ns", release=RELEASE, secret=SECRETS) == here


def test_the_runbooks_commands_are_typed_in_a_test_s_namespace() -> None:
    block = shown(cluster.RUNBOOKS, "kubectl")

    typed = cluster.as_here(block, namespace="ns", release=RELEASE, secret="")

    assert [line.split()[1:3] for line in typed.splitlines()] == [["--namespace", "ns"]] * 4
    assert f" deployment/{RELEASE}-worker-webhook 9100 " in typed
    assert f" deployment/{RELEASE}-api -- eventstreams doctor" in typed
    assert "deployment/r-eventstreams-api" in cluster.as_here(block, namespace="ns", release="r", secret="")


def test_the_secrets_are_made_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = program(tmp_path, monkeypatch, "kubectl")
    _, *lines = shown(cluster.PAGE, "kubectl create namespace").splitlines()

    cluster.Cluster("ns").type("\n".join(lines), release=RELEASE, secret=SECRETS)

    first, *given = said.read_text().splitlines()
    assert first == f"--namespace ns create secret generic {SECRETS}"
    values = dict(line.removeprefix("--from-literal=").split("=", 1) for line in given)
    sizes = {name: len(value) for name, value in values.items()}
    assert sizes == {"secret-key": 44, "account-sid": 34, "auth-token": 32, "operator-token": 64}


def test_compose_is_brought_up_and_scaled_as_docs_deploying_with_compose_md_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = program(tmp_path, monkeypatch, "docker")
    compose = docker.Compose(tmp_path / "copy", project="p", subnet="172.31.1.0/24", images={})

    assert compose.new_env().returncode == 0
    compose.new_certificates()
    compose.up("api", "router")
    compose.scale("api", "router")
    compose.type(f"{typed(docker.PAGE, 'run --rm smoke')} --timeout 240")

    assert "COMPOSE_FILE=compose.yaml:compose.try.yaml:compose.slow.json\n" in (compose.folder / ".env").read_text()
    assert (compose.folder / "certificates" / "ca.pem").exists()
    assert said.read_text().splitlines() == [
        "compose up --no-build --wait-timeout 600 --detach --wait api router",
        "compose up --detach --scale worker-webhook=3 --scale router=2 --no-build api router",
        "compose run --rm smoke --timeout 240",
    ]


@pytest.mark.parametrize("buildx", [True, False])
def test_the_image_is_built_as_the_pages_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, buildx: bool) -> None:
    said = program(tmp_path, monkeypatch, "docker", fails="" if buildx else "buildx version")

    docker.build_as(shown(docker.PAGE, "--tag eventstreams ").replace("--tag eventstreams ", "--tag e:test "))
    docker.build_as(shown(cluster.PAGE, "docker build"))
    docker.build("e:traced", EXTRAS="otel")

    revision = docker.run(["git", "rev-parse", "HEAD"]).stdout.strip()
    tidy = "" if buildx else "--force-rm "
    file = "--file deploy/image/Dockerfile"
    assert [line for line in said.read_text().splitlines() if line.startswith("build ")] == [
        f"build {tidy}{file} --tag e:test --build-arg VERSION=1.0.0 --build-arg REVISION={revision} .",
        f"build {tidy}{file} --tag registry.example.com/eventstreams:0.1.0 .",
        f"build {tidy}{file} --tag e:traced --build-arg EXTRAS=otel .",
    ]


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, fails: str = "nothing") -> Path:
    """Put a program ``name`` before all others, which only writes down how it was called: a line, options below it."""
    said, programs = folder / "said", folder / "programs"
    programs.mkdir()
    split = "printf '%s\\n' \"$*\"" if name == "docker" else 'echo "$1 $2 $3 $4 $5 $6"; shift 6; printf \'%s\\n\' "$@"'
    (programs / name).write_text(f"#!/bin/sh\n{{ {split}; }} >> {said}\ntest \"$*\" != '{fails}'\n")
    (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return said
