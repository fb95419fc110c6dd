"""The Helm chart: values that contradict each other are refused, and what a value leaves out has a default."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from eventstreams.durations import parse_duration
from eventstreams.settings import Settings
from tests.support.chart import LEAST, STRIMZI, helm, of_kind, refusal, render
from tools.chart_readme import CHART

GIVEN = yaml.safe_load(LEAST.read_text())
KUBERNETES = "1.33"
PROMETHEUS = {"keda.prometheusAddress": "http://prometheus:9090"}


def refused(**values: object) -> str:
    """What Helm says to ``values`` beside the least that must be given; they replace it, key by key."""
    return refusal(**GIVEN, **values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kafka.tls.authoritiesSecret": "ca"}, "kafka.tls.enabled must be true"),
        ({"kafka.tls.clientSecret": "ours"}, "kafka.tls.enabled must be true"),
        ({"kafka.sasl.username": "u"}, "kafka.sasl.mechanism must be too: PLAIN"),
        ({"kafka.sasl.existingSecret": "s"}, "kafka.sasl.mechanism must be too: PLAIN"),
        (
            {"kafka.sasl.mechanism": "PLAIN", "kafka.sasl.username": "u"},
            "kafka.sasl.existingSecret must be given for PLAIN, or kafka.sasl.password",
        ),
        ({"strimzi": {"enabled": True, "brokers": 2}}, "kafka.replicationFactor (3) is more than strimzi.brokers (2)"),
        ({"router.autoscaling": {"kind": "hpa", "min": 7}}, "autoscaling.min (7) is more than autoscaling.max (6)"),
        ({"workers": {"sqs": {"autoscaling": {"kind": "hpa", "min": 11}}}}, "is more than autoscaling.max (10)"),
        ({"httpRoute.enabled": True}, "httpRoute.parentRefs must be given"),
        ({"networkPolicy.blockedNetworks": ["10.0.0.1"]}, "networkPolicy.blockedNetworks.0"),
        ({"networkPolicy.blockedNetworks": ["10.0.0.0/33"]}, "networkPolicy.blockedNetworks.0"),
        ({"defaults.podLabels": {"app.kubernetes.io/component": "x"}}, "defaults.podLabels"),
        ({"workers": {"ends-in-a-": {}}}, "workers"),
    ],
)
def test_values_that_contradict_each_other_are_refused(values: Mapping[str, object], words: str) -> None:
    assert words in refused(**values)


@pytest.mark.parametrize(
    ("values", "role", "least"),
    [
        ({"settings": {"DRAIN_TIMEOUT": "45s"}}, "worker-webhook", 50),
        ({"settings": {"DRAIN_TIMEOUT": "0.75m"}}, "worker-webhook", 50),
        ({"settings": {"DRAIN_TIMEOUT": "44001ms"}}, "worker-webhook", 50),
        ({"extraEnv": [{"name": "EVENTSTREAMS_DRAIN_TIMEOUT", "value": "1m"}]}, "worker-webhook", 65),
        ({"router.env": [{"name": "EVENTSTREAMS_DRAIN_TIMEOUT", "value": "1m"}]}, "router", 65),
        ({"api.preStopSeconds": 25}, "api", 50),
        ({"gateway.terminationGracePeriodSeconds": 25}, "gateway", 30),
    ],
)
def test_a_pod_that_would_be_killed_while_it_drains_is_refused(
    values: Mapping[str, object], role: str, least: int
) -> None:
    said = refused(**values)

    assert f"{role}: terminationGracePeriodSeconds is" in said
    assert f"Give {least} or more" in said


def test_a_pod_has_as_long_as_its_own_drain_takes() -> None:
    env = [{"name": "EVENTSTREAMS_DRAIN_TIMEOUT", "value": "1m"}]
    settings = {"DRAIN_TIMEOUT": "39s"}  # 44 s with preStopSeconds

    worker = of_kind(
        render(
            LEAST,
            settings=settings,
            **{"workers.webhook.env": env, "workers.webhook.terminationGracePeriodSeconds": 61},
        ),
        "Deployment",
    )["rel-eventstreams-worker-webhook"]

    assert worker["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 61


def test_the_drain_that_the_chart_reckons_with_is_the_one_that_settings_have() -> None:
    default_s = Settings.model_fields["drain_timeout"].default.total_seconds()

    said = refused(**{"api.preStopSeconds": 60})

    assert f"take up to {60 + default_s:.0f} s to end" in said


@pytest.mark.parametrize("wrong", ["20", "20 seconds", "", "-1s", "1m30s"])
def test_what_settings_do_not_take_for_a_duration_the_chart_does_not_either(wrong: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(wrong)
    said = refused(**{"router.env": [{"name": "EVENTSTREAMS_DRAIN_TIMEOUT", "value": wrong}]})

    assert "is not a duration: write a number followed by ms, s, m, h or d" in said


@pytest.mark.parametrize(("wait", "deadline_s"), [(None, 600), ("10m", 1560), ("5s", 370)])
def test_the_job_that_makes_topics_may_wait_for_kafka_twice(wait: str | None, deadline_s: int) -> None:
    manifests = render(LEAST, settings={} if wait is None else {"KAFKA_WAIT": wait})

    job = of_kind(manifests, "Job")["rel-eventstreams-topics"]["spec"]

    assert job["backoffLimit"] == 1
    assert job["activeDeadlineSeconds"] == deadline_s


@pytest.mark.parametrize("kind", ["hpa", "keda"])
def test_every_sink_type_scales_as_webhook_does_unless_it_says_otherwise(kind: str) -> None:
    values = {**PROMETHEUS, "workers": {"webhook": {"autoscaling": {"kind": kind}}}}
    others = {"kinesis": {"autoscaling": {"kind": kind}}, "sqs": {"autoscaling": {"kind": kind, "max": 4}}}
    values["workers"] = {**values["workers"], **others}  # type: ignore[dict-item]
    scalers = of_kind(render(LEAST, **values), {"hpa": "HorizontalPodAutoscaler", "keda": "ScaledObject"}[kind])

    def bounds(sink_type: str) -> Any:
        name = f"rel-eventstreams-worker-{sink_type}"
        return {**scalers[name]["spec"], "scaleTargetRef": None, "triggers": None}

    most = {"hpa": "maxReplicas", "keda": "maxReplicaCount"}[kind]
    assert bounds("webhook")[most] == 10
    assert bounds("kinesis") == bounds("webhook")
    assert bounds("sqs") == {**bounds("webhook"), most: 4}
    for each in scalers.values():
        if kind == "hpa":
            kubernetes_validate.validate(each, KUBERNETES, strict=True)
        else:
            assert each["spec"]["triggers"][0]["metadata"]["threshold"] == "5000"


def test_whoever_wants_no_disruption_budget_has_none(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("defaults: {podDisruptionBudget: null}\nrouter: {podDisruptionBudget: {minAvailable: 1}}\n")

    budgets = of_kind(render(LEAST, file), "PodDisruptionBudget")

    assert {name: each["spec"]["minAvailable"] for name, each in budgets.items()} == {"rel-eventstreams-router": 1}


def test_a_network_that_no_worker_reaches_anyway_is_no_exception_of_the_others() -> None:
    """Kubernetes refuses a policy with an exception that is not part of its block."""
    blocked = ["fd00::/8", "2::/16", "2001:db8::/32", "203.0.113.0/24"]
    policy = of_kind(render(LEAST, **{"networkPolicy.blockedNetworks": blocked}), "NetworkPolicy")
    [four, six] = [
        block["ipBlock"]
        for rule in policy["rel-eventstreams-worker-webhook"]["spec"]["egress"]
        for block in rule.get("to", ())
        if "ipBlock" in block
    ]

    assert six == {"cidr": "2000::/3", "except": ["2001::/23", "2002::/16", "2001:db8::/32"]}
    assert four["except"][-1] == "203.0.113.0/24"


def test_a_chart_may_depend_on_this_one_on_a_condition(tmp_path: Path) -> None:
    shutil.copytree(CHART, tmp_path / "charts" / "eventstreams")
    chart = {"apiVersion": "v2", "name": "ours", "version": "1.0.0"}
    on = {"name": "eventstreams", "version": "*", "condition": "eventstreams.enabled"}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump({**chart, "dependencies": [on]}))
    values = {"global": {"region": "eu"}, "eventstreams": {**GIVEN, "enabled": True}}
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))

    there = helm("template", "rel", str(tmp_path))
    away = helm("template", "rel", str(tmp_path), "--set", "eventstreams.enabled=false")

    assert there.returncode == 0, there.stderr
    assert "name: rel-eventstreams-worker-webhook" in there.stdout
    assert (away.returncode, away.stdout.strip()) == (0, "")


def test_a_strimzi_cluster_may_have_as_many_brokers_as_replicas() -> None:
    [pool] = of_kind(render(STRIMZI), "KafkaNodePool").values()

    assert pool["spec"]["replicas"] == 1
