"""What is in deploy/ fits the code and itself; ``make test-compose`` runs it on a real engine."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft7Validator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from eventstreams.settings import PREFIX, SECRETS, Settings
from eventstreams.settings.mail import MailSettings
from eventstreams.sids import SidKind, is_sid
from tests.support.page import blocks_of

ROOT: Final = Path(__file__).resolve().parent.parent.parent
COMPOSE: Final = ROOT / "deploy" / "compose"
IMAGE: Final = ROOT / "deploy" / "image"
# As compose 2.40 checks files itself: compose-spec.json of github.com/compose-spec/compose-go 2.9.1 (Apache-2.0).
SCHEMA: Final = ROOT / "tests" / "support" / "compose-spec.json"
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())
OWN: Final = "worker-own"  # of a type that does not come with it
OFFERED: Final = "webhook,kinesis,segment"  # what can be created where .env says nothing
WORKERS: Final = {f"worker-{each}" for each in PROJECT["project"]["entry-points"]["eventstreams.sinks"]} | {OWN}
ROLES: Final = {"api", "gateway", "router"} | WORKERS
PAGE: Final = ROOT / "docs" / "deploying-with-compose.md"
OVERLAYS: Final = sorted(COMPOSE.glob("compose.*.yaml"))


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


BASE: Final = read(COMPOSE / "compose.yaml")
SERVICES: Final[Mapping[str, Mapping[str, Any]]] = BASE["services"]


@pytest.mark.parametrize("file", sorted(COMPOSE.glob("compose*.yaml")), ids=lambda file: file.name)
def test_a_compose_file_is_one_by_the_specification(file: Path) -> None:
    problems = Draft7Validator(json.loads(SCHEMA.read_text())).iter_errors(read(file))

    assert [f"{each.json_path}: {each.message}" for each in problems] == []


def test_who_sends_mail_is_given_all_that_mail_takes() -> None:
    wanted = {f"{PREFIX}{name.upper()}" for name in MailSettings.model_fields}

    for name, service in SERVICES.items():
        given = {each for each in service.get("environment", ()) if each in wanted}
        assert given == (wanted if name in {"api", "worker-email"} else set()), name


def test_the_page_s_file_that_mounts_a_mail_authority_fits_compose() -> None:
    page = (ROOT / "docs" / "sinks" / "email.md").read_text()
    [overlay] = [yaml.safe_load(each) for each in re.findall(r"```yaml\n(services:.*?)```", page, re.DOTALL)]

    assert list(Draft7Validator(json.loads(SCHEMA.read_text())).iter_errors(overlay)) == []
    assert set(overlay["services"]) == {"api", "worker-email"}
    for service in overlay["services"].values():
        [mounted] = service["volumes"]
        assert f"{PREFIX}SMTP_TLS_AUTHORITIES={mounted.split(':')[1]}`" in page


def test_there_is_a_worker_for_each_sink_type_that_comes_with_it() -> None:
    commands = {name: each["command"] for name, each in SERVICES.items() if name.startswith("worker-")}

    assert commands.pop(OWN) == ["worker", "${EVENTSTREAMS_WORKER_TYPE:-}"]
    assert commands == {name: ["worker", name.removeprefix("worker-")] for name in WORKERS - {OWN}}


def test_what_can_be_created_are_the_types_whose_workers_run_without_a_profile() -> None:
    run = {name.removeprefix("worker-") for name in WORKERS if "profiles" not in SERVICES[name]}

    assert set(OFFERED.split(",")) == run
    assert SERVICES["api"]["environment"]["EVENTSTREAMS_SINK_TYPES"] == f"${{EVENTSTREAMS_SINK_TYPES:-{OFFERED}}}"


def test_a_type_of_one_s_own_takes_no_more_than_what_the_page_says() -> None:
    page = PAGE.read_text()
    [env] = re.findall(r"```sh\n(EVENTSTREAMS_PLUGINS=.*?)```", page, re.DOTALL)
    [types] = [yaml.safe_load(each) for each in re.findall(r"```yaml\n(services:.*?)```", page, re.DOTALL)]

    said = dict(line.split("=", 1) for line in env.splitlines())
    assert set(said) == {
        "EVENTSTREAMS_PLUGINS",
        "EVENTSTREAMS_WORKER_TYPE",
        "EVENTSTREAMS_SINK_TYPES",
        "COMPOSE_PROFILES",
    }
    assert said["EVENTSTREAMS_SINK_TYPES"] == f"{OFFERED},{said['EVENTSTREAMS_WORKER_TYPE']}"
    assert SERVICES[OWN]["profiles"] == [said["COMPOSE_PROFILES"]]
    known = {line.lstrip("#").split("=")[0] for line in (COMPOSE / ".env.example").read_text().splitlines()}
    assert said.keys() - {"COMPOSE_PROFILES"} <= known
    assert list(Draft7Validator(json.loads(SCHEMA.read_text())).iter_errors(types)) == []
    for name, service in types["services"].items():
        # Compose copies what is extended, aliases included, and only what that very file says of it.
        assert service == {
            "extends": {"file": "compose.yaml", "service": OWN},
            "command": ["worker", name.removeprefix("worker-")],
        }
        assert SERVICES[OWN]["networks"]["default"]["aliases"] == [OWN]
    paragraph = page[page.index("Such a service has") :].partition("\n\n")[0]
    assert set(re.findall(r"`(compose\.[a-z-]+\.yaml)`", paragraph)) == {file.name for file in OVERLAYS}


@pytest.mark.parametrize("file", OVERLAYS, ids=lambda file: file.name)
def test_an_overlay_names_services_that_there_are_and_changes_every_worker(file: Path) -> None:
    services = read(file)["services"]

    known = set(SERVICES) | {name for name, each in services.items() if "image" in each}
    assert services.keys() <= known
    assert services.keys() >= WORKERS


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_role_may_write_nothing_but_to_what_is_declared(role: str) -> None:
    service = SERVICES[role]

    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    mounted = [*service["tmpfs"], *(each.split(":")[1] for each in service.get("volumes", ()))]
    assert sorted(mounted) == ["/tmp", "/var/lib/eventstreams"]


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_no_container_has_privileges_and_each_a_limit_of_memory(service: str) -> None:
    known = (COMPOSE / ".env.example").read_text()
    found = SERVICES[service]

    assert (found["cap_drop"], found["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
    name, default = re.fullmatch(r"\$\{(\w+):-(\w+)\}", found["mem_limit"]).groups()  # type: ignore[union-attr]
    assert f"\n#{name}={default}\n" in known


def test_roles_have_as_much_memory_as_with_helm() -> None:
    [limit] = {SERVICES[role]["mem_limit"] for role in ROLES}
    values = read(ROOT / "deploy" / "helm" / "eventstreams" / "values.yaml")

    helm = values["defaults"]["resources"]["limits"]["memory"]
    assert limit == f"${{EVENTSTREAMS_MEMORY_LIMIT:-{helm.removesuffix('i').lower()}}}"


def test_a_container_may_take_longer_to_stop_than_a_role_does() -> None:
    drain_s = Settings.model_fields["drain_timeout"].default.total_seconds()

    assert {each["stop_grace_period"] for name, each in SERVICES.items() if name in ROLES} == {"30s"}
    assert drain_s + 5 <= 30


@pytest.mark.parametrize("file", [COMPOSE / "compose.yaml", *OVERLAYS], ids=lambda file: file.name)
def test_every_variable_of_ours_is_a_setting(file: Path) -> None:
    settings = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}

    for service in read(file)["services"].values():
        given = {name for name in service.get("environment", ()) if name.startswith(PREFIX)}
        assert given <= settings


def test_no_secret_has_a_value_that_would_work_by_default() -> None:
    names = {f"{PREFIX}{name.upper()}" for name in SECRETS} | {"GF_SECURITY_ADMIN_PASSWORD"}

    for file in COMPOSE.glob("compose*.yaml"):
        for service in read(file)["services"].values():
            for name, value in (service.get("environment") or {}).items():
                assert name not in names or value is None or ":?" in value, f"{name} in {file.name} has a default"
    assert not re.search(r"^(\w*(KEY|TOKEN|PASSWORD|SID))=.+", (COMPOSE / ".env.example").read_text(), re.MULTILINE)


def test_prometheus_looks_for_every_role() -> None:
    [ours] = [each for each in read(COMPOSE / "prometheus.yml")["scrape_configs"] if each["job_name"] == "eventstreams"]

    assert set(ours["dns_sd_configs"][0]["names"]) == ROLES


def test_every_folder_that_is_mounted_is_there() -> None:
    for service in SERVICES.values():
        for each in service.get("volumes", ()):
            source = str(each).split(":")[0]
            assert not source.startswith(".") or (COMPOSE / source).exists()


def new_env(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    for name in ("new-env.sh", ".env.example"):
        shutil.copy(COMPOSE / name, folder)
    command = ["sh", str(folder / "new-env.sh"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def variables(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_new_secrets_are_ones_that_roles_take_and_nobody_else_has(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    [typed] = [each.text for each in blocks_of(PAGE) if "# without --try" in each.text]
    for folder in (one, other):
        folder.mkdir()
        assert new_env(folder, *shlex.split(typed, comments=True)[2:]).returncode == 0

    made = variables(one / ".env")
    names = ("SECRET_KEY", "ACCOUNT_SID", "AUTH_TOKEN", "OPERATOR_TOKEN")
    given = {name.lower(): made[f"{PREFIX}{name}"] for name in names}
    settings = Settings.load(**given)
    assert settings.account_sid is not None
    assert is_sid(settings.account_sid, SidKind.ACCOUNT)
    assert made["COMPOSE_FILE"] == "compose.yaml"
    assert (one / ".env").stat().st_mode & 0o077 == 0
    theirs = variables(other / ".env")
    assert all(theirs[name] != made[name] for name in made if name.startswith(PREFIX) and "PORT" not in name)
    assert theirs["GRAFANA_PASSWORD"] != made["GRAFANA_PASSWORD"]


def test_secrets_that_are_there_are_never_replaced(tmp_path: Path) -> None:
    assert new_env(tmp_path, "--try").returncode == 0
    before = (tmp_path / ".env").read_text()

    again = new_env(tmp_path)

    assert again.returncode == 1
    assert "keep it, or move it away first" in again.stderr
    assert (tmp_path / ".env").read_text() == before
    assert "COMPOSE_FILE=compose.yaml:compose.try.yaml" in before


def test_what_the_image_is_made_of_is_let_into_its_build() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = [line.removeprefix("!") for line in lines if line.startswith("!")]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (IMAGE / "Dockerfile").read_text(), re.MULTILINE)

    for source in " ".join(copied).split():
        assert (ROOT / source).exists()
        assert any(source == each or source.startswith(f"{each}/") for each in let_in), source


def test_every_package_of_the_wheel_is_in_the_image() -> None:
    dockerfile = (IMAGE / "Dockerfile").read_text()

    for package in [*PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"], "avro"]:
        assert f"\nCOPY {package} {package}\n" in dockerfile


def locked(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(IMAGE / "locked.py"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_an_extra_is_found_or_those_that_there_are_named() -> None:
    assert "botocore" in locked("wanted", "kinesis").stdout
    assert "botocore" not in locked("wanted", "").stdout
    done = locked("wanted", "pigeon")
    assert done.returncode == 1
    assert done.stderr.startswith("EXTRAS: there is no extra 'pigeon'; there are: ")


@pytest.mark.parametrize("extra", sorted(PROJECT["project"]["optional-dependencies"].keys() - {"java"}))  # of a broker
def test_whatever_an_extra_brings_is_locked(extra: str) -> None:
    def names(*arguments: str) -> set[str]:
        return {canonicalize_name(Requirement(each).name) for each in locked(*arguments).stdout.splitlines()}

    assert names("wanted", "") < names("wanted", extra) <= names("versions")


def test_versions_are_constraints_without_hashes_and_extras() -> None:
    pins = locked("versions").stdout.splitlines()

    assert any(fnmatch(pin, "aiohttp==*") for pin in pins)
    assert not any("[" in pin or "--hash" in pin or "\\" in pin for pin in pins)


@pytest.mark.parametrize("known", ["a file of the lock", "another file"])
def test_a_file_that_is_not_of_the_lock_stops_the_build(known: str, tmp_path: Path) -> None:
    hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", (ROOT / "requirements.lock").read_text())
    archive = {"hashes": {"sha256": hashes[0] if known == "a file of the lock" else "0" * 64}}
    found = {"metadata": {"name": "orjson", "version": "1"}, "download_info": {"archive_info": archive}}
    (tmp_path / "report.json").write_text(json.dumps({"install": [found]}))

    done = locked("check", str(tmp_path / "report.json"))

    assert done.returncode == (0 if known == "a file of the lock" else 1)
    assert ("is no hash of requirements.lock" in done.stderr) == (known == "another file")
