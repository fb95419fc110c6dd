"""Every object of the chart is one to a real API server: nothing in it is unknown, invalid or refused.

A unit test holds them against published schemas; this is the server's own validation, with what schemas cannot say.
"""

import json
import sys
from pathlib import Path

import pytest

from tests.support.chart import FILES, render
from tests.support.cluster import Cluster, run

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_api_server_accepts_every_object(file: Path, cluster: Cluster) -> None:
    known = set(cluster.kubectl("api-resources", "--no-headers").split())
    rendered = render(file, **{"defaults.priorityClassName": ""})  # of the cluster, which need not have it
    manifests = [{**each, "metadata": {**each["metadata"], "namespace": cluster.namespace}} for each in rendered]
    asked = [each for each in manifests if each["kind"] in known]

    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": asked})
    server = ["--dry-run=server", "--validate=strict", "--filename=-"]
    done = run(["kubectl", "--namespace", cluster.namespace, "apply", *server], stdin=listed)

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(asked)
    unknown = sorted({each["kind"] for each in manifests} - known)
    sys.stdout.write(f"{file.stem}: {len(asked)} objects; not asked, as the cluster does not know them: {unknown}\n")
