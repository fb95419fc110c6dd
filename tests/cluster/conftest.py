"""A real cluster with a Kafka in a namespace of the tests, and one installation of the chart for all of them."""

import secrets
from collections.abc import Iterator

import pytest

from tests.support.cluster import PAGE, Cluster, NoImageError, what_is_missing
from tests.support.cluster_objects import IMAGE, KAFKA_IMAGE, RELEASE, SECRETS, VALUES, kafka, once
from tests.support.page import shown, typed


def cannot_run(problem: str) -> None:
    pytest.exit(f"make test-cluster cannot run: {problem}", returncode=3)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A namespace with a Kafka; the images are there. Without a cluster nothing here can run."""
    if problem := what_is_missing():
        cannot_run(problem)
    cluster = Cluster(f"eventstreams-test-{secrets.token_hex(3)}")
    namespace, *secret = shown(PAGE, "kubectl create namespace").splitlines()
    cluster.type(namespace, release=RELEASE)
    try:
        cluster.type("\n".join(secret), release=RELEASE, secret=SECRETS)
        cluster.apply(once("image", IMAGE, "--version"), *kafka(KAFKA_IMAGE))
        try:
            cluster.wait_for_pod("image", done=True)
            cluster.wait_for_pod("kafka")
        except NoImageError as error:
            cannot_run(
                f"the cluster has no image {error}: load it into the nodes (`kind load docker-image`, say; ours is "
                f"built by `docker build --file deploy/image/Dockerfile --tag {IMAGE} .`), or name one that they can "
                "pull by EVENTSTREAMS_TEST_IMAGE or KAFKA_IMAGE"
            )
        cluster.kubectl("delete", "pod", "image")
        yield cluster
    finally:
        cluster.kubectl("delete", "namespace", cluster.namespace, "--wait", "--timeout=10m")


@pytest.fixture(scope="session")
def installed(cluster: Cluster) -> Cluster:
    """The chart is installed as ``RELEASE``."""
    cluster.type(f"{typed(PAGE, ' install events')} --timeout=10m", release=RELEASE, values=VALUES)
    return cluster
