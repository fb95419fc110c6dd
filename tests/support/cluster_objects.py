"""What a test installs in its cluster: the chart's values, and beside the chart Kafka, secrets and a customer."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.support.cluster import Object

CUSTOMER: Final = "customer"
CUSTOMER_PORT: Final = 8000
SECRETS: Final = "our-secrets"
_SCRIPTS: Final = Path(__file__).resolve().parent.parent / "cluster"
IMAGE: Final = os.environ.get("EVENTSTREAMS_TEST_IMAGE", "eventstreams:test")
KAFKA_IMAGE: Final = os.environ.get("KAFKA_IMAGE", "apache/kafka:4.1.1")
VALUES: Final[Mapping[str, object]] = {
    "image": dict(zip(("repository", "tag"), IMAGE.rsplit(":", 1), strict=True)),
    "kafka": {"bootstrapServers": "kafka:9092", "replicationFactor": 1},
    "secrets": {"existingSecret": SECRETS},
    "settings": {
        # Wherever the cluster's pods are: the customer is one of them.
        "ALLOWED_DESTINATIONS": "10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16",
        "EVENTS_PARTITIONS": 4,
        "RETRY_PARTITIONS": 2,
    },
    "networkPolicy": {"workerEgress": [{"to": [{"podSelector": {"matchLabels": {"app": CUSTOMER}}}]}]},
    # Two pods of each role, one more during a rollout, and Kafka: all on one small node.
    "defaults": {"resources": {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "768Mi"}}},
}
RELEASE: Final = "eventstreams"


def once(name: str, image: str, *arguments: str) -> Object:
    """A pod that runs one command of the image and ends."""
    container = {"name": "once", "image": image, "imagePullPolicy": "IfNotPresent", "args": arguments}
    return pod(name, container, restartPolicy="Never")


def kafka(image: str) -> Sequence[Object]:
    """A broker at ``kafka:9092``, whose data is deleted with it."""
    variables = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@127.0.0.1:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "INSIDE",
        "KAFKA_LISTENERS": "INSIDE://:9092,CONTROLLER://127.0.0.1:9093",
        "KAFKA_ADVERTISED_LISTENERS": "INSIDE://kafka:9092",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_HEAP_OPTS": "-Xms512m -Xmx512m",
    }
    container = {
        "name": "kafka",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "readinessProbe": {"tcpSocket": {"port": 9092}, "periodSeconds": 2},
        # Of a pod that asks for nothing a busy node leaves nothing: the broker then did not answer for ten seconds.
        "resources": {"requests": {"cpu": "200m", "memory": "768Mi"}},
    }
    return [pod("kafka", container), service("kafka", 9092)]


def customer(image: str, *, api: str, gateway: str, script: str = CUSTOMER) -> Sequence[Object]:
    """A pod named after ``tests/cluster/<script>.py``, which it runs; the script may import its neighbours."""
    env: list[Object] = [
        {"name": "API", "value": api},
        {"name": "GATEWAY", "value": gateway},
        {"name": "PYTHONPATH", "value": "/scripts"},
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        *(
            {"name": name, "valueFrom": {"secretKeyRef": {"name": SECRETS, "key": key}}}
            for name, key in (("ACCOUNT_SID", "account-sid"), ("AUTH_TOKEN", "auth-token"))
        ),
    ]
    container = {
        "name": script,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-m", f"tests.cluster.{script}"],
        "env": env,
        "readinessProbe": {"httpGet": {"path": "/report", "port": CUSTOMER_PORT}, "periodSeconds": 2},
        "volumeMounts": [{"name": "scripts", "mountPath": "/scripts/tests/cluster"}],
    }
    scripts = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": script},
        "data": {f"{each}.py": (_SCRIPTS / f"{each}.py").read_text() for each in {CUSTOMER, script}},
    }
    volumes = [{"name": "scripts", "configMap": {"name": script}}]
    # It ends by itself if nobody stops it.
    limits = {"restartPolicy": "Never", "activeDeadlineSeconds": 3600}
    return [scripts, pod(script, container, volumes=volumes, **limits)]


def pod(name: str, container: Object, **more: object) -> Object:
    # Kubernetes' service variables, such as KAFKA_PORT, would be taken for Kafka's own settings.
    spec = {"enableServiceLinks": False, "containers": [container], "terminationGracePeriodSeconds": 5, **more}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


def service(name: str, port: int) -> Object:
    spec = {"selector": {"app": name}, "ports": [{"port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
