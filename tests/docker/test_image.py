"""The image: small in what it may do and holds, and open about what that is."""

import json

import pytest

from tests.support.docker import ROOT, build, build_as, run, succeed
from tests.support.page import shown

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]

LOCKED_DOWN = ("--rm", "--read-only", "--cap-drop", "ALL", "--network", "none", "--security-opt", "no-new-privileges")


def inside(image: str, script: str) -> str:
    return succeed(["docker", "run", *LOCKED_DOWN, "--entrypoint", "sh", image, "-c", script])


def test_it_runs_with_no_rights_on_a_root_that_is_read_only(image: str) -> None:
    assert succeed(["docker", "run", *LOCKED_DOWN, image, "--version"]).startswith("eventstreams, version ")
    assert inside(image, "id -u; id -g").split() == ["10001", "10001"]


def test_what_was_built_with_is_not_in_it(image: str) -> None:
    tools = ("pip", "pip3", "gcc", "cc", "make", "git", "curl", "uv", "hatchling", "cyclonedx-py")

    found = inside(image, f"for each in {' '.join(tools)}; do command -v $each; done; true")

    assert found == ""


def test_the_bill_of_materials_names_all_that_is_installed(image: str) -> None:
    bill = json.loads(inside(image, "cat /opt/eventstreams/sbom.cdx.json"))
    names = "python -c 'from importlib.metadata import distributions as d; print(*{x.name for x in d()})'"
    installed = set(inside(image, names).split())

    assert bill["metadata"]["component"]["name"] == "eventstreams"
    assert {each["name"] for each in bill["components"]} | {"eventstreams"} >= installed
    assert {"botocore", "psycopg"} <= installed
    assert "pytest" not in installed


def test_its_labels_say_what_it_was_built_from(image: str) -> None:
    labels = json.loads(succeed(["docker", "inspect", "--format", "{{json .Config.Labels}}", image]))

    assert labels["org.opencontainers.image.title"] == "Event Streams"
    assert labels["org.opencontainers.image.version"] == "1.0.0"  # as docs/deploying-with-compose.md builds it
    assert labels["org.opencontainers.image.revision"] == succeed(["git", "rev-parse", "HEAD"]).strip()


def test_it_is_built_for_a_registry_as_docs_deploying_with_helm_md_says(image: str) -> None:
    command = shown(ROOT / "docs" / "deploying-with-helm.md", "docker build")
    name = command.partition("--tag ")[2].split()[0]

    done = build_as(command)

    assert done.returncode == 0, done.stderr[-4000:]
    assert succeed(["docker", "run", *LOCKED_DOWN, name, "--version"]).startswith("eventstreams, version ")
    succeed(["docker", "image", "rm", name])


def test_a_health_check_beside_no_role_fails_with_a_sentence(image: str) -> None:
    done = run(["docker", "run", *LOCKED_DOWN, image, "health"])

    assert done.returncode == 1
    assert done.stderr.startswith("nothing answers at 127.0.0.1:9100: ")


def test_traces_are_a_build_argument_away(image: str) -> None:
    traced, where = "eventstreams:test-traced", ("--env", "EVENTSTREAMS_TRACES=http://127.0.0.1:4318/v1/traces")
    nowhere = ("--env", "EVENTSTREAMS_KAFKA=127.0.0.1:1", "--env", "EVENTSTREAMS_KAFKA_WAIT=1s")
    done = build(traced, EXTRAS="otel")
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"

    without = run(["docker", "run", *LOCKED_DOWN, *where, *nowhere, image, "router"])
    having = run(["docker", "run", *LOCKED_DOWN, *where, *nowhere, traced, "router"])

    assert "pip install 'eventstreams[otel]'" in without.stdout + without.stderr
    assert "127.0.0.1:1" in having.stdout + having.stderr  # what it lacks now is Kafka
    assert "otel" not in having.stdout + having.stderr


def test_an_extra_that_is_not_there_stops_the_build(image: str) -> None:
    done = build("eventstreams:never", EXTRAS="kinesis,pigeon")

    assert done.returncode != 0
    assert "EXTRAS: there is no extra 'pigeon'; there are: " in done.stdout + done.stderr
