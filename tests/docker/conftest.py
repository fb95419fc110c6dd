"""A real Docker Engine, the image, and one installation for all tests of this folder."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Final

import pytest

from tests.support.docker import IMAGE, PAGE, Compose, build_as, have_image, what_is_missing
from tests.support.page import shown

_NEEDED: Final = {"": "python:3.11-slim-bookworm", "KAFKA_IMAGE": "apache/kafka:4.1.1"}
_PROMETHEUS: Final = ("prom/prometheus:v3.5.0", "prom/prometheus:v2.42.0")  # the second: what Debian has


Make = Callable[[], Compose]


@pytest.fixture(scope="session")
def images() -> Mapping[str, str]:
    """The variables of compose that name images; each of these is there. Without an engine nothing here can run."""
    if problem := what_is_missing():
        pytest.exit(f"make test-compose cannot run: {problem}", returncode=3)
    for name in _NEEDED.values():
        if not have_image(name):
            pytest.exit(
                f"make test-compose cannot run: the engine has no image {name} and no registry gives it one: "
                f"docker load it, or set up a mirror",
                returncode=3,
            )
    prometheus = next((name for name in _PROMETHEUS if have_image(name)), None)
    if prometheus is None:
        pytest.exit(f"make test-compose cannot run: there is no image {_PROMETHEUS[0]}", returncode=3)
    return {"PROMETHEUS_IMAGE": prometheus}


@pytest.fixture(scope="session")
def image(images: Mapping[str, str]) -> str:
    """The image, built from this tree."""
    done = build_as(shown(PAGE, "--tag eventstreams ").replace("--tag eventstreams ", f"--tag {IMAGE} "))
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return IMAGE


@pytest.fixture(scope="session")
def make(image: str, images: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Makes projects as `sh new-env.sh --try` does, each with a name and a network of its own; all end with the run."""
    with ExitStack() as stack:

        def one() -> Compose:
            subnet, project = f"172.31.{secrets.randbelow(250)}.0/24", f"estest{secrets.token_hex(3)}"
            compose = Compose(tmp_path_factory.mktemp("compose"), project=project, subnet=subnet, images=images)
            assert compose.new_env().returncode == 0
            stack.callback(compose.down)
            return compose

        yield one


@pytest.fixture(scope="session")
def compose(make: Make) -> Compose:
    """Everything but Grafana, up and healthy."""
    compose = make()
    compose.up()
    return compose
