"""The Helm chart: what it makes of values is valid to Kubernetes, safe by default, and wrong values are said."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from eventstreams.settings import PREFIX, Settings
from tests.support.chart import (
    EMAIL,
    EVERYTHING,
    FILES,
    LEAST,
    STRIMZI,
    Manifest,
    helm,
    of_kind,
    pods,
    refusal,
    render,
)
from tools.chart_readme import CHART
from tools.crd_schemas import INTO

KUBERNETES = ["1.25", "1.33"]  # the oldest that Chart.yaml allows, and a newer one
CRD_SCHEMAS = json.loads(INTO.read_text())  # tools/crd_schemas.py says where they come from
OTHERS = {"ScaledObject", "PodMonitor", "PrometheusRule", "HTTPRoute", "Kafka", "KafkaNodePool", "KafkaUser"}
LEAST_VALUES = {"kafka.bootstrapServers": "k:9092", "secrets.existingSecret": "s"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_helm_finds_no_fault(file: Path) -> None:
    done = helm("lint", str(CHART), "--strict", "--values", str(file))

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_it_makes_is_valid_to_kubernetes(file: Path, version: str) -> None:
    checked = 0
    for each in render(file):
        if each["kind"] not in OTHERS:
            kubernetes_validate.validate(each, version, strict=True)
            checked += 1
    assert checked > 10


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_pod_keeps_to_the_restricted_standard(file: Path) -> None:
    found = list(pods(render(file)))

    assert len(found) > 4
    for name, pod in found:
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert "memory" in container["resources"]["limits"], name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_variable_is_a_setting(file: Path) -> None:
    manifests = render(file)
    names = {name for each in of_kind(manifests, "ConfigMap").values() for name in each["data"]}
    names |= {each["name"] for _, pod in pods(manifests) for c in pod["containers"] for each in c.get("env", ())}
    ours = {name for name in names if name.startswith(PREFIX)}

    assert len(ours) > 5
    assert ours <= {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def test_each_role_has_its_command() -> None:
    deployments = of_kind(render(EVERYTHING), "Deployment")

    assert {name: each["spec"]["template"]["spec"]["containers"][0]["args"] for name, each in deployments.items()} == {
        "es-api": ["api"],
        "es-gateway": ["gateway"],
        "es-router": ["router"],
        "es-worker-webhook": ["worker", "webhook"],
        "es-worker-kinesis": ["worker", "kinesis"],
        "es-worker-segment": ["worker", "segment"],
    }


def test_sinks_can_be_made_of_the_types_that_have_workers() -> None:
    def told(**values: object) -> object:
        api = of_kind(render(EVERYTHING, **values), "Deployment")["es-api"]["spec"]["template"]["spec"]["containers"][0]
        return {each["name"]: each.get("value") for each in api["env"]}.get("EVENTSTREAMS_SINK_TYPES")

    assert told() == "kinesis,segment,webhook"
    assert told(**{"settings.SINK_TYPES": "webhook,pigeon"}) is None  # then the ConfigMap has it
    assert told(**{"workers.kinesis.replicas": 0}) == "segment,webhook"
    assert (
        told(**{"workers.webhook.replicas": 0}) == "kinesis,segment,webhook"
    )  # as KEDA, which has no use for it, says
    assert told(**{"workers.webhook": None}) == "kinesis,segment"


def test_an_installation_without_workers_offers_no_sink_type() -> None:
    manifests = render(LEAST, **{"workers.webhook": None})
    deployments = of_kind(manifests, "Deployment")
    api = deployments["rel-eventstreams-api"]["spec"]["template"]["spec"]["containers"][0]

    assert not any("worker" in name for name in deployments)
    assert {"name": "EVENTSTREAMS_SINK_TYPES", "value": "none"} in api["env"]


def test_no_pods_are_none_where_none_are_asked_for() -> None:
    given = {"router.replicas": 0, "workers.webhook.replicas": 0}
    deployments = of_kind(render(LEAST, **given), "Deployment")
    replicas = {name.removeprefix("rel-eventstreams-"): each["spec"]["replicas"] for name, each in deployments.items()}

    assert replicas == {"api": 2, "gateway": 2, "router": 0, "worker-webhook": 0}
    assert of_kind(render(EVERYTHING), "Deployment")["es-worker-segment"]["spec"]["replicas"] == 1


def test_who_needs_no_secret_gets_none() -> None:
    manifests = render(LEAST)
    router = of_kind(manifests, "Deployment")["rel-eventstreams-router"]["spec"]["template"]["spec"]["containers"][0]
    worker = of_kind(manifests, "Deployment")["rel-eventstreams-worker-webhook"]["spec"]["template"]["spec"]

    assert "env" not in router
    assert [each["name"] for each in worker["containers"][0]["env"]] == ["EVENTSTREAMS_SECRET_KEY"]


def test_the_page_about_email_has_the_values_that_are_checked_here() -> None:
    page = (CHART.parent.parent.parent / "docs" / "sinks" / "email.md").read_text()
    [shown] = [yaml.safe_load(each) for each in re.findall(r"```yaml\n(api:\n  env:.*?)```", page, re.DOTALL)]

    assert yaml.safe_load(EMAIL.read_text()) == {**yaml.safe_load(LEAST.read_text()), **shown}


def test_an_existing_secret_wins_and_none_is_made_beside_it() -> None:
    both = render(
        LEAST,
        **{
            "secrets.secretKey": "inline",
            "kafka.sasl": {"mechanism": "PLAIN", "username": "u", "password": "inline", "existingSecret": "theirs"},
        },
    )

    assert of_kind(both, "Secret") == {}


def test_a_role_whose_pods_keep_their_names_is_a_stateful_set_and_has_them_as_members() -> None:
    manifests = render(CHART / "ci" / "inline.yaml")
    named = of_kind(manifests, "StatefulSet")

    assert {name: each["spec"]["replicas"] for name, each in named.items()} == {
        "rel-eventstreams-router": 2,
        "rel-eventstreams-worker-webhook": 3,
    }
    assert of_kind(manifests, "Deployment").keys() == {"rel-eventstreams-api"}
    for each in named.values():
        env = {one["name"]: one for one in each["spec"]["template"]["spec"]["containers"][0]["env"]}
        assert env["EVENTSTREAMS_INSTANCE"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
        assert env["EVENTSTREAMS_SESSION_TIMEOUT"]["value"] == "45s"
        assert each["spec"]["podManagementPolicy"] == "Parallel"


def test_the_session_of_a_pod_that_keeps_its_name_is_as_long_as_a_setting_says() -> None:
    manifests = render(CHART / "ci" / "inline.yaml", **{"settings.SESSION_TIMEOUT": "30s"})
    router = of_kind(manifests, "StatefulSet")["rel-eventstreams-router"]["spec"]["template"]["spec"]["containers"][0]

    assert "EVENTSTREAMS_SESSION_TIMEOUT" not in {each["name"] for each in router["env"]}
    assert of_kind(manifests, "ConfigMap")["rel-eventstreams"]["data"]["EVENTSTREAMS_SESSION_TIMEOUT"] == "30s"


def test_inline_secrets_reach_the_roles_as_they_are() -> None:
    secrets = of_kind(render(CHART / "ci" / "inline.yaml"), "Secret")

    assert secrets["rel-eventstreams"]["stringData"]["auth-token"] == "token: with 'signs'"
    assert secrets["rel-eventstreams-kafka"]["stringData"]["password"] == "p'w\"d: #1"
    assert secrets["rel-eventstreams-topics"]["stringData"]["password"] == "p'w\"d: #1"


def test_pods_are_replaced_when_a_setting_or_an_inline_secret_changes() -> None:
    def checksums(**values: object) -> set[str]:
        made = of_kind(render(CHART / "ci" / "inline.yaml", **values), "Deployment").values()
        return {each["spec"]["template"]["metadata"]["annotations"]["checksum/settings"] for each in made}

    [before] = checksums()
    [setting] = checksums(**{"settings.TTL": "3h"})
    [secret] = checksums(**{"secrets.authToken": "another-token"})
    [password] = checksums(**{"kafka.sasl.password": "another"})

    assert len({before, setting, secret, password}) == 4


@pytest.mark.parametrize(
    ("values", "types"),
    [
        ({}, "webhook"),
        ({"workers.webhook": None}, "none"),
        ({"workers.webhook": None, "workers.segment.replicas": 1}, "segment"),
        ({"settings.SINK_TYPES": "s3"}, "s3"),
    ],
    ids=["usual", "none", "segment", "own"],
)
def test_the_test_of_a_release_knows_which_sinks_can_be_created(values: Mapping[str, object], types: str) -> None:
    test = of_kind(render(LEAST, **values), "Pod")["rel-eventstreams-test"]["spec"]["containers"][0]

    assert {"name": "SINK_TYPES", "value": types} in test["env"]


def test_a_deployment_that_an_autoscaler_owns_says_no_replicas() -> None:
    manifests = render(EVERYTHING)
    owned = {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(manifests, "ScaledObject").values()}
    owned |= {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(manifests, "HorizontalPodAutoscaler").values()}

    assert owned == {"es-gateway", "es-router", "es-worker-webhook"}
    for name, each in of_kind(manifests, "Deployment").items():
        assert ("replicas" in each["spec"]) == (name not in owned), name


def test_workers_are_scaled_by_what_is_due() -> None:
    scaled = of_kind(render(EVERYTHING), "ScaledObject")["es-worker-webhook"]["spec"]

    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (0, 20)
    assert scaled["triggers"][0]["metadata"]["query"] == (
        'max(eventstreams_due_events{sink_type="webhook",namespace="events",pod=~"es-api-[a-z0-9]+-[a-z0-9]+"})'
    )


@pytest.mark.parametrize("name", ["es-router", "es-worker-webhook"])
def test_another_release_in_the_namespace_scales_nothing_of_ours(name: str) -> None:
    query = of_kind(render(EVERYTHING), "ScaledObject")[name]["spec"]["triggers"][0]["metadata"]["query"]
    pods = re.compile(query.partition('pod=~"')[2].partition('"')[0])

    assert pods.fullmatch("es-api-6c9f7d5b8-x2x4z")
    assert not any(
        map(pods.fullmatch, ("es-api-2-api-6c9f7d5b8-x2x4z", "other-es-api-6c9f7d5b8-x2x4z", "es-router-6c9-x2x4z"))
    )


@pytest.mark.parametrize("role", ["worker-webhook", "api"])  # the API probes sinks
def test_who_asks_sinks_reaches_the_outside_and_never_the_inside(role: str) -> None:
    policies = of_kind(render(LEAST), "NetworkPolicy")
    [four, six] = [
        block["ipBlock"]
        for rule in policies[f"rel-eventstreams-{role}"]["spec"]["egress"]
        for block in rule.get("to", ())
        if "ipBlock" in block
    ]

    assert four["cidr"] == "0.0.0.0/0"
    assert {
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "168.63.129.16/32",
    } <= set(four["except"])
    assert six == {"cidr": "2000::/3", "except": ["2001::/23", "2002::/16"]}  # in those is an IPv4 address
    router = policies["rel-eventstreams-router"]["spec"]["egress"]
    assert not any("to" in rule for rule in router)
    assert all("ports" in rule for rule in router)


def to_kafka(file: Path, role: str, **values: object) -> Any:
    """Where the policy of ``role`` lets it on the ports of Kafka; None: anywhere."""
    policy = of_kind(render(file, **values), "NetworkPolicy")[f"rel-eventstreams-{role}"]
    [rule] = [each for each in policy["spec"]["egress"] if {"port": 9092, "protocol": "TCP"} in each.get("ports", ())]
    return rule.get("to")


@pytest.mark.parametrize("role", ["api", "gateway", "router", "topics", "worker-webhook"])
def test_kafka_s_ports_are_open_where_the_operator_says_it_is(role: str) -> None:
    peers = [{"ipBlock": {"cidr": "10.8.0.0/24"}}]

    assert to_kafka(LEAST, role) is None
    assert to_kafka(LEAST, role, **{"networkPolicy.kafkaTo": peers}) == peers
    assert to_kafka(STRIMZI, role, **{"networkPolicy.kafkaTo": peers}) == peers


def test_kafka_s_ports_are_open_to_the_brokers_of_strimzi_alone() -> None:
    [kafka] = of_kind(render(STRIMZI), "Kafka")

    assert to_kafka(STRIMZI, "worker-webhook") == [{"podSelector": {"matchLabels": {"strimzi.io/cluster": kafka}}}]


@pytest.mark.parametrize("to", ["api", "gateway"])  # the primary, and where the console publishes
def test_the_api_reaches_what_the_chart_tells_it_to_ask(to: str) -> None:
    manifests = render(LEAST)
    labels = of_kind(manifests, "Deployment")[f"rel-eventstreams-{to}"]["spec"]["template"]["metadata"]["labels"]

    def reaches(role: str) -> bool:
        rules = of_kind(manifests, "NetworkPolicy")[f"rel-eventstreams-{role}"]["spec"]["egress"]
        peers = [peer for rule in rules for peer in rule.get("to", ())]
        return any(
            peer["podSelector"]["matchLabels"].items() <= labels.items() for peer in peers if "podSelector" in peer
        )

    assert reaches("api")
    assert reaches("gateway") == (to == "api")  # what lists events
    assert not reaches("router")


def test_the_gateway_knows_where_events_are_listed() -> None:
    manifests = render(LEAST)
    gateway = of_kind(manifests, "Deployment")["rel-eventstreams-gateway"]["spec"]["template"]["spec"]["containers"][0]
    [api] = [each["value"] for each in gateway["env"] if each["name"] == "EVENTSTREAMS_API_URL"]

    [port] = of_kind(manifests, "Service")["rel-eventstreams-api"]["spec"]["ports"]
    assert api == f"http://rel-eventstreams-api:{port['port']}"


def test_without_a_gateway_no_rule_lets_the_api_to_one() -> None:
    policies = of_kind(render(LEAST, **{"gateway.enabled": False}), "NetworkPolicy")

    assert "gateway" not in json.dumps(policies["rel-eventstreams-api"])


def test_each_pod_is_chosen_by_one_policy_and_each_service_finds_its_pods() -> None:
    manifests = render(EVERYTHING)
    labels = {
        name: each["spec"]["template"]["metadata"]["labels"] for name, each in of_kind(manifests, "Deployment").items()
    }

    def chosen(selector: Mapping[str, str]) -> list[str]:
        return [name for name, has in labels.items() if selector.items() <= has.items()]

    for service in of_kind(manifests, "Service").values():
        assert len(chosen(service["spec"]["selector"])) == 1
    policies = [each["spec"]["podSelector"]["matchLabels"] for each in of_kind(manifests, "NetworkPolicy").values()]
    assert sorted(name for each in policies for name in chosen(each)) == sorted(labels)


def backends(rule: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Path, its kind and the service of each path of an Ingress' rule."""
    return [(each["path"], each["pathType"], each["backend"]["service"]["name"]) for each in rule["http"]["paths"]]


def test_what_is_published_or_lists_events_goes_to_the_gateway_and_all_else_to_the_api() -> None:
    [rule] = of_kind(render(EVERYTHING), "Ingress")["es"]["spec"]["rules"]

    assert backends(rule) == [("/v1/Events", "Exact", "es-gateway"), ("/", "Prefix", "es-api")]


def test_with_a_host_for_the_gateway_events_are_listed_at_the_apis_own() -> None:
    ingress = of_kind(render(EVERYTHING, **{"ingress.gatewayHost": "in.example.com"}), "Ingress")["es"]["spec"]

    assert {rule["host"]: backends(rule) for rule in ingress["rules"]} == {
        "events.example.com": [("/", "Prefix", "es-api")],
        "in.example.com": [("/v1/Events", "Exact", "es-gateway")],
    }
    assert ingress["tls"] == [{"hosts": ["events.example.com", "in.example.com"], "secretName": "events-tls"}]


def test_a_route_tells_publishing_events_from_listing_them() -> None:
    [publishing, rest] = of_kind(render(EVERYTHING), "HTTPRoute")["es"]["spec"]["rules"]

    assert publishing["matches"] == [{"path": {"type": "Exact", "value": "/v1/Events"}, "method": "POST"}]
    assert [each["name"] for each in publishing["backendRefs"]] == ["es-gateway"]
    assert rest["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert [each["name"] for each in rest["backendRefs"]] == ["es-api"]


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({}, "https://events.example.com"),
        ({"api.publicUrl": "https://other.example.com"}, "https://other.example.com"),
        ({"ingress.tlsSecret": ""}, None),  # TLS may end before the ingress, or nowhere: the chart cannot know
        ({"ingress.enabled": False}, None),
    ],
    ids=["of the ingress", "given", "without TLS", "without an ingress"],
)
def test_links_begin_with_https_where_the_ingress_ends_tls(values: Mapping[str, object], url: str | None) -> None:
    api = of_kind(render(EVERYTHING, **values), "Deployment")["es-api"]["spec"]["template"]["spec"]["containers"][0]
    given = {each["name"]: each.get("value") for each in api["env"]}

    assert given.get("EVENTSTREAMS_PUBLIC_URL") == url


def test_every_pod_runs_where_the_defaults_say_and_has_their_labels() -> None:
    manifests = render(EVERYTHING)
    [job], [test] = of_kind(manifests, "Job").values(), of_kind(manifests, "Pod").values()
    labelled = [each["spec"]["template"]["metadata"] for each in of_kind(manifests, "Deployment").values()]

    for name, pod in pods(manifests):
        assert pod["nodeSelector"] == {"kubernetes.io/os": "linux"}, name
        assert pod["tolerations"][0]["value"] == "events", name
        assert pod["priorityClassName"] == "high", name
        assert "podAntiAffinity" in pod["affinity"], name
    for metadata in (*labelled, job["spec"]["template"]["metadata"], test["metadata"]):
        assert metadata["labels"]["team"] == "events"
        assert metadata["annotations"]["example.com/note"] == "kept"
    assert job["spec"]["template"]["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"


def test_a_role_may_have_a_service_account_of_its_own() -> None:
    deployments = of_kind(render(EVERYTHING), "Deployment")
    accounts = {name: each["spec"]["template"]["spec"]["serviceAccountName"] for name, each in deployments.items()}

    assert {name for name, each in accounts.items() if each != "es"} == {"es-worker-kinesis"}
    assert accounts["es-worker-kinesis"] == "kinesis-worker"


@pytest.mark.parametrize(
    ("values", "router", "worker"),
    [
        ({}, {"maxUnavailable": 1}, {"maxUnavailable": 1}),
        ({"defaults.podDisruptionBudget.minAvailable": 1}, {"minAvailable": 1}, {"minAvailable": 1}),
        (
            {"workers.webhook.podDisruptionBudget.minAvailable": "50%"},
            {"maxUnavailable": 1},
            {"minAvailable": "50%"},
        ),
    ],
    ids=["as it comes", "of all", "of one"],
)
def test_a_disruption_budget_says_one_of_the_two(
    values: Mapping[str, object], router: Mapping[str, object], worker: Mapping[str, object]
) -> None:
    budgets = of_kind(render(LEAST, **values), "PodDisruptionBudget")
    specs = {name: {key: v for key, v in each["spec"].items() if key != "selector"} for name, each in budgets.items()}

    assert specs["rel-eventstreams-router"] == router
    assert specs["rel-eventstreams-worker-webhook"] == worker


def test_whoever_has_a_service_still_takes_requests_when_its_pod_is_to_end() -> None:
    deployments = of_kind(render(EVERYTHING, **{"gateway.preStopSeconds": 20}), "Deployment")
    waits = {
        name: each["spec"]["template"]["spec"]["containers"][0].get("lifecycle") for name, each in deployments.items()
    }

    assert {name: each for name, each in waits.items() if each} == {
        "es-api": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
        "es-gateway": {"preStop": {"exec": {"command": ["sleep", "20"]}}},
    }


def test_a_pod_is_not_killed_before_it_may_have_drained() -> None:
    drain_s = Settings.model_fields["drain_timeout"].default.total_seconds()
    values = yaml.safe_load((CHART / "values.yaml").read_text())["defaults"]

    assert values["terminationGracePeriodSeconds"] > values["preStopSeconds"] + drain_s


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_hook_that_went_well_leaves_nothing_behind_but_the_log_of_a_test(file: Path) -> None:
    hooks = {
        f"{each['kind']} {each['metadata']['name']}": each["metadata"]["annotations"]
        for each in render(file)
        if "helm.sh/hook" in each["metadata"].get("annotations", {})
    }
    kept = {name for name, each in hooks.items() if "hook-succeeded" not in each["helm.sh/hook-delete-policy"]}

    assert len(hooks) >= 3
    assert {name.split()[0] for name in kept} == {"Pod"}


@pytest.mark.parametrize(("file", "hooks"), [(LEAST, "pre-install,pre-upgrade"), (STRIMZI, "post-install,pre-upgrade")])
def test_the_policy_of_the_job_that_makes_topics_comes_and_goes_with_it(file: Path, hooks: str) -> None:
    manifests = render(file)
    job = of_kind(manifests, "Job")["rel-eventstreams-topics"]["metadata"]["annotations"]
    policy = of_kind(manifests, "NetworkPolicy")["rel-eventstreams-topics"]["metadata"]["annotations"]
    without = of_kind(render(file, **{"topicsJob.enabled": False}), "NetworkPolicy")

    assert job["helm.sh/hook"] == policy["helm.sh/hook"] == hooks
    assert policy["helm.sh/hook-weight"] == "-10"
    assert "rel-eventstreams-topics" not in without


def test_settings_reach_the_roles_as_they_are_given() -> None:
    given = {"AUDIT_MAX_MIB": 1048576, "API_RATE_LIMIT": 12.5, "REMOVE_ORPHANS": False, "KAFKA_WAIT": "9s"}
    manifests = render(LEAST, settings=given)
    job = of_kind(manifests, "Job")["rel-eventstreams-topics"]["spec"]["template"]["spec"]["containers"][0]["env"]
    wanted = {
        "EVENTSTREAMS_AUDIT_MAX_MIB": "1048576",
        "EVENTSTREAMS_API_RATE_LIMIT": "12.5",
        "EVENTSTREAMS_REMOVE_ORPHANS": "false",
        "EVENTSTREAMS_KAFKA_WAIT": "9s",
    }

    assert of_kind(manifests, "ConfigMap")["rel-eventstreams"]["data"].items() >= wanted.items()
    assert {each["name"]: each.get("value") for each in job}.items() >= wanted.items()


def test_no_setting_is_there_twice() -> None:
    done = helm("template", "rel", str(CHART), "--values", str(LEAST), "--set", "settings.KAFKA_WAIT=9s")

    assert done.stdout.count("  EVENTSTREAMS_KAFKA_WAIT: ") == 1


def test_rules_and_dashboards_are_all_those_of_its_files() -> None:
    manifests = render(EVERYTHING)
    [rules] = of_kind(manifests, "PrometheusRule").values()
    wanted = [
        group
        for file in sorted((CHART / "files/rules").glob("*.yaml"))
        for group in yaml.safe_load(file.read_text())["groups"]
    ]
    assert wanted
    assert rules["spec"]["groups"] == wanted
    dashboards = list((CHART / "files/dashboards").glob("*.json"))
    assert dashboards
    for file in dashboards:
        shown = of_kind(manifests, "ConfigMap")[f"es-dashboard-{file.stem}"]
        assert json.loads(shown["data"][file.name]) == json.loads(file.read_text())


def test_every_series_has_the_name_of_its_release_as_alerts_and_dashboards_call_it() -> None:
    def named(**values: object) -> str:
        [monitor] = of_kind(render(EVERYTHING, **values), "PodMonitor").values()
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        [name] = [each["replacement"] for each in endpoint["relabelings"] if each["targetLabel"] == "installation"]
        return str(name)

    assert named() == "events/es"
    assert named(**{"metrics.podMonitor.installation": "eu"}) == "eu"


def test_alerts_link_to_runbooks_where_they_are_served() -> None:
    def links(**values: object) -> set[str]:
        [rules] = of_kind(render(EVERYTHING, **values), "PrometheusRule").values()
        every = [rule for group in rules["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
        return {rule["annotations"]["runbook_url"].rpartition("/")[0] for rule in every}

    assert links() == {"docs/runbooks"}
    assert links(**{"metrics.prometheusRule.runbookUrl": "https://wiki.example.com/es/"}) == {
        "https://wiki.example.com/es"
    }


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"secrets.existingSecret": "s"}, "kafka.bootstrapServers is required: host:port of your Kafka"),
        ({"kafka.bootstrapServers": "k:9092"}, "secrets.existingSecret must be given, or secrets.secretKey"),
        ({"kafka.bootstrapServers": "k"}, "kafka.bootstrapServers"),
        ({"kafka.bootstrapServer": "k:9092"}, "bootstrapServer"),
        ({"settings": {"ttl": "4h"}}, "settings"),
        ({"workers": {"webhook": {"replica": 1}}}, "replica"),
        (
            {**LEAST_VALUES, "settings": {"TOPIC_PREFIX": "x."}},
            "settings.TOPIC_PREFIX would conflict with what the chart sets",
        ),
        ({**LEAST_VALUES, "settings": {"SECRET_KEY": "k"}}, "give secrets.existingSecret or secrets.secretKey"),
        ({**LEAST_VALUES, "settings": {"API_LISTEN": "0.0.0.0:1"}}, "give nothing, the services know its port"),
        ({"secrets.accountSid": "AC1"}, "accountSid"),
        ({**LEAST_VALUES, "settings": {"INSTANCE": "one"}}, "give router.statefulSet, or that of workers"),
        (
            {**LEAST_VALUES, "router": {"statefulSet": True, "autoscaling": {"kind": "hpa"}}},
            "router: statefulSet and autoscaling cannot be combined",
        ),
        (
            {**LEAST_VALUES, "fullnameOverride": "e" * 40, "workers.webhook.statefulSet": True},
            "give a shorter fullnameOverride",
        ),
        ({**LEAST_VALUES, "api.statefulSet": True}, "statefulSet"),
        (
            {"kafka.bootstrapServers": "k:9092", "secrets.existingSecret": "s", "router.autoscaling.kind": "keda"},
            "keda.prometheusAddress must be given",
        ),
    ],
)
def test_values_that_are_wrong_are_said(values: Mapping[str, object], words: str) -> None:
    assert words in refusal(**values)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_variable_that_the_chart_makes_is_refused_under_settings(file: Path) -> None:
    optional = {"KAFKA_WAIT", "SESSION_TIMEOUT", "SINK_TYPES"}  # the chart's own defaults, which a setting replaces
    api = yaml.safe_load(file.read_text()).get("api", {})
    given_to_roles = {each["name"].removeprefix(PREFIX) for each in api.get("env", ())}  # by these values themselves
    given = {
        name.removeprefix(PREFIX)
        for _, pod in pods(render(file, settings={}))
        for container in pod["containers"]
        for each in container.get("env", ())
        if (name := each["name"]).startswith(PREFIX) and name.removeprefix(PREFIX) not in given_to_roles
    }
    given |= {
        name.removeprefix(PREFIX)
        for each in of_kind(render(file, settings={}), "ConfigMap").values()
        for name in each["data"]
        if name.startswith(PREFIX)
    }

    helpers = (CHART / "templates" / "_helpers.tpl").read_text()
    owned = helpers.partition('define "eventstreams.ownedSettings"')[2].partition("end -}}")[0]
    names = {line.partition(":")[0] for line in owned.splitlines() if ": " in line}
    assert given - optional - names == set()
    assert names <= {name.upper() for name in Settings.model_fields}


def _crd_problems(manifest: Manifest) -> list[str]:
    """What the definition of its kind finds wrong with it."""
    schema = CRD_SCHEMAS[f"{manifest['apiVersion']}/{manifest['kind']}"]
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(manifest)]


def test_objects_of_other_projects_are_valid_to_their_definitions() -> None:
    found = [each for file in FILES for each in render(file) if each["kind"] in OTHERS]

    assert {each["kind"] for each in found} == OTHERS
    for each in found:
        assert _crd_problems(each) == [], each["metadata"]["name"]


@pytest.mark.parametrize("kind", sorted(OTHERS))
def test_a_field_that_its_definition_does_not_know_is_noticed(kind: str) -> None:
    manifest = next(each for file in FILES for each in render(file) if each["kind"] == kind)
    wrong = {**manifest, "spec": {**manifest["spec"], "colour": "blue"}}

    assert _crd_problems(manifest) == []
    [problem] = _crd_problems(wrong)
    assert "'colour' was unexpected" in problem
