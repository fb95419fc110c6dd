"""The Helm chart with email sinks: who is told of the mail server, and who reaches it."""

import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from eventstreams.settings import PREFIX, SECRETS, Settings
from eventstreams.settings.mail import MailSettings
from tests.support.chart import EMAIL, LEAST, of_kind, pods, refusal, render
from tests.support.mail import Keys
from tools.chart_readme import CHART

MAILING: Final = ["rel-eventstreams-api", "rel-eventstreams-worker-email"]
PORTS: Final = [587, 465, 25]
PRIVATE: Final = "10.9.0.25"  # of the page, and of EMAIL
PUBLIC: Final = "93.184.215.14"
EMAIL_WORKER: Final[Mapping[str, object]] = {"workers": {"email": {}}}


def egress(*files: Path, **values: object) -> dict[str, list[Mapping[str, Any]]]:
    """The rules of each policy for what its pods may reach."""
    policies = of_kind(render(*files, **values), "NetworkPolicy")
    return {name: each["spec"]["egress"] for name, each in policies.items()}


def allows(rule: Mapping[str, Any], port: int, to: str | Mapping[str, str]) -> bool:
    """Whether a rule lets TCP through to ``port``, as Kubernetes documents it.

    Args:
        rule: Of a policy's egress.
        port: A pod's own, not its Service's.
        to: An address outside of the cluster, or the labels of a pod and, as ``namespace/…``, of its namespace.
    """
    ports = rule.get("ports", [])
    if ports and not any((each["port"], each.get("protocol", "TCP")) == (port, "TCP") for each in ports):
        return False
    return not rule.get("to") or any(_is_meant(peer, to) for peer in rule["to"])


def _is_meant(peer: Mapping[str, Any], to: str | Mapping[str, str]) -> bool:
    if isinstance(to, str):
        block = peer.get("ipBlock")
        address = ip_address(to)
        return block is not None and (
            address in ip_network(block["cidr"])
            and not any(address in ip_network(each) for each in block.get("except", ()))
        )
    if "namespaceSelector" not in peer:
        return False  # a pod of our own namespace
    wanted = dict(peer.get("podSelector", {}).get("matchLabels", {}))
    wanted |= {f"namespace/{key}": value for key, value in peer["namespaceSelector"].get("matchLabels", {}).items()}
    return wanted.items() <= to.items()


def who_reaches(policies: Mapping[str, list[Mapping[str, Any]]], port: int, to: str | Mapping[str, str]) -> list[str]:
    return sorted(name for name, rules in policies.items() if any(allows(rule, port, to) for rule in rules))


@pytest.mark.parametrize(
    "source", [{"secret": {"secretName": "mail-ca"}}, {"configMap": {"name": "mail-ca"}}], ids=["Secret", "ConfigMap"]
)
def test_who_sends_mail_gets_a_server_that_works_and_nobody_else_its_password(
    source: Mapping[str, object], tmp_path: Path
) -> None:
    manifests = render(EMAIL, extraVolumes=[{"name": "mail-authorities", **source}])
    authorities = Keys.new(tmp_path).authorities
    told = []
    for name, pod in pods(manifests):
        [container] = pod["containers"]
        env = {each["name"]: each for each in container.get("env", ())}
        given = {name.removeprefix(PREFIX).lower(): each for name, each in env.items() if "_SMTP_" in name}
        if not given:
            continue
        told.append(name)
        assert given.keys() == MailSettings.model_fields.keys()
        password = given.pop("smtp_password")
        assert password["valueFrom"] == {"secretKeyRef": {"name": "mail", "key": "password"}}
        [mount] = [each for each in container["volumeMounts"] if each["name"] == "mail-authorities"]
        assert given.pop("smtp_tls_authorities")["value"] == f"{mount['mountPath']}/ca.crt"
        assert {"name": "mail-authorities", **source} in pod["volumes"]
        values = {name: each["value"] for name, each in given.items()}
        server = Settings.load(**values, smtp_password="p", smtp_tls_authorities=str(authorities)).mail_server
        assert server is not None
        assert (server.host, server.port, server.username) == ("mail.example.com", 587, "events")

    assert sorted(told) == MAILING
    worker = of_kind(manifests, "Deployment")["rel-eventstreams-worker-email"]["spec"]["template"]["spec"]
    assert worker["containers"][0]["args"] == ["worker", "email"]


@pytest.mark.parametrize("port", PORTS)
def test_a_public_mail_server_is_reached_without_any_value_and_a_private_one_is_not(port: int) -> None:
    policies = egress(LEAST, **EMAIL_WORKER)

    assert set(MAILING) <= set(who_reaches(policies, port, PUBLIC))
    assert set(MAILING) <= set(who_reaches(policies, port, "2606:2800:21f:cb07::25"))
    assert who_reaches(policies, port, PRIVATE) == []
    assert who_reaches(policies, port, "fd00::25") == []


def test_a_private_mail_server_is_reached_at_the_address_and_port_that_values_say() -> None:
    policies = egress(EMAIL)

    assert who_reaches(policies, 587, PRIVATE) == MAILING
    assert who_reaches(policies, 465, PRIVATE) == []
    assert who_reaches(policies, 587, "10.9.0.26") == []


def test_a_mail_server_in_the_cluster_is_reached_as_the_page_says() -> None:
    page = (CHART.parent.parent.parent / "docs" / "sinks" / "email.md").read_text()
    [shown] = [yaml.safe_load(each) for each in re.findall(r"```yaml\n(api:\n  egress:.*?)```", page, re.DOTALL)]
    policies = egress(LEAST, **shown)
    server = {"namespace/kubernetes.io/metadata.name": "mail", "app": "postfix"}

    assert who_reaches(policies, 587, server) == MAILING
    assert who_reaches(policies, 25, server) == []
    assert who_reaches(policies, 587, {**server, "app": "another"}) == []
    assert who_reaches(policies, 587, {**server, "namespace/kubernetes.io/metadata.name": "events"}) == []


@pytest.mark.parametrize("name", sorted(SECRETS - {"delivery_log", "schema_registry_url"}))  # often without a password
def test_no_secret_is_taken_where_everybody_reads_it(name: str) -> None:
    setting = name.upper()
    said = refusal(**{"kafka.bootstrapServers": "k:9092", "secrets.existingSecret": "s", "settings": {setting: "x"}})

    assert f"settings.{setting} would " in said
    assert ": give " in said
