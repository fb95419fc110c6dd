"""Why the blocks of the documentation that are checked by their kind alone are not executed, each with its reason."""

from dataclasses import dataclass
from typing import Final

from tests.support.page import Block
from tests.support.snippet_kinds import ROOT


@dataclass(frozen=True, slots=True)
class Unexecuted:
    """The blocks of the pages whose path begins with ``page`` that have ``words`` in them, and why."""

    page: str
    why: str
    words: str = ""

    def takes(self, block: Block) -> bool:
        return str(block.page.relative_to(ROOT)).startswith(self.page) and self.words in block.text


_UP: Final = "makes this very environment; tests/support/up.py runs `up` in it"
_UNTIL_STOPPED: Final = "goes on until somebody ends it; tests/kafka/test_command_line.py listens and follows"
_DOCKER: Final = "needs a Docker Engine and pulls images; tests/docker runs the same files where there is one"
_CLUSTER: Final = "needs a Kubernetes cluster; tests/cluster installs the chart where there is one"
_DEPLOYED: Final = "asks containers, Kafka's tools or a Prometheus of a deployment, which a test machine has not"
_INSTALLS: Final = "installs from a package index, then works until it is ended"
_MINUTES: Final = "takes minutes; tests/system has smaller runs of it"
_PART: Final = "a part of a file of somebody else, held against its schema or read"
_FOREIGN: Final = "is for AWS, which no test has"
WHY: Final = (
    Unexecuted("README.md", _UP, "make setup"),
    Unexecuted(
        "README.md", "works until it is ended; tests/system/test_readme.py runs the same program", "receiver.py"
    ),
    Unexecuted("README.md", _UNTIL_STOPPED, "eventstreams listen"),
    Unexecuted("CONTRIBUTING.md", "runs every test there is"),
    Unexecuted("docs/adding-an-event-type.md", _PART, "entry-points"),
    Unexecuted("docs/adding-an-event-type.md", "needs the story to be installed as a package", "simulate"),
    Unexecuted("docs/backup.md", "needs `age`, which a test machine has not", "age -r"),
    Unexecuted(
        "docs/commands.md",
        "imports into an empty installation; tests/kafka/test_control_restored.py does",
        "control import",
    ),
    Unexecuted("docs/commands.md", _UNTIL_STOPPED, "eventstreams listen"),
    Unexecuted("docs/commands.md", _MINUTES, "verify"),
    Unexecuted("docs/control-plane.md", "works until it is ended; tests/kafka/test_replicas.py runs several", "api"),
    Unexecuted("docs/dead-letters.md", "a part of a command", "--data-urlencode"),
    Unexecuted("docs/delivery-log.md", "names a database of somebody", "EVENTSTREAMS_DELIVERY_LOG"),
    Unexecuted("docs/deploying-with-compose.md", _DOCKER),
    Unexecuted("docs/deploying-with-helm.md", _DOCKER, "docker build"),
    Unexecuted("docs/deploying-with-helm.md", _CLUSTER),
    Unexecuted(
        "docs/failure-notices.md", "shows what a notice has; tests/kafka/test_notices.py reads real ones", "sink_sid"
    ),
    Unexecuted("docs/faults.md", _MINUTES),
    Unexecuted("docs/monitoring.md", _PART),
    Unexecuted("docs/partition-budget.md", "takes an orphan of two minutes", "orphans remove"),
    Unexecuted("docs/performance.md", "a part of a program that it would slow down for the tests", "gc."),
    Unexecuted(
        "docs/reading-from-kafka.md", "needs a registry; tests/kafka/test_schema_registry.py has one of its own"
    ),
    Unexecuted("docs/rolling-restarts.md", _MINUTES, "verify"),
    Unexecuted("docs/rolling-restarts.md", _PART),
    Unexecuted("docs/runbooks/", _DEPLOYED),
    Unexecuted("docs/sinks/", _INSTALLS, "pip install"),
    Unexecuted("docs/sinks/", _FOREIGN, '"Version": "2012-10-17"'),
    Unexecuted("docs/sinks/email.md", "needs a mail server before the API starts", "oncall@"),
    Unexecuted(
        "docs/sinks/kinesis.md", "shows what a record has; tests/unit/test_kinesis.py makes them", "specversion"
    ),
    Unexecuted("docs/sinks/s3.md", "needs a bucket; tests/kafka/test_s3_worker.py has one of its own", "archive list"),
    Unexecuted("docs/start.md", _UP, "make setup"),
    Unexecuted("docs/tracing.md", _INSTALLS, "pip install"),
    Unexecuted("docs/tracing.md", _PART, "networkPolicy"),
    Unexecuted("docs/verify.md", _MINUTES),
)
