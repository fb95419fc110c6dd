"""The commands of these pages run as they stand, in their order, against one whole installation: docs/api.md,
adding-an-event-type.md, backup.md, commands.md, control-plane.md, dead-letters.md, delivery-log.md, doctor.md,
failure-notices.md, filters.md, partition-budget.md, publishing.md, sink-health.md, sizing.md,
slow-and-failing-sinks.md, tracing.md, of docs/sinks amqp.md, email.md, kafka.md, kinesis.md, s3.md, segment.md, sqs.md,
webhook.md, and of docs/runbooks api-fails.md, broker-unreachable.md, dead-letters.md, delivery-log.md, disk.md,
events-age.md, late-deliveries.md, no-primary.md, not-ready.md, plugin-faults.md, rebalances.md, retries-overdue.md,
router-stuck.md, settlement-fails.md, sink-type-fails.md, workers-stuck.md.
What a page shows of an answer has the form of what really came. tests/support/executed.py says which blocks.
"""

import base64
import json
import os
import re
import shlex
import shutil
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest

from eventstreams.local.ports import free_ports
from tests.support import forks
from tests.support.executed import EXECUTED, LIVE
from tests.support.kafka_tools import write_kafka_tools
from tests.support.live_page import Shell, commands, same_lines, same_shape
from tests.support.page import blocks_of
from tests.support.plain_receiver import PlainReceiver, running_receiver
from tests.support.prometheus import running_prometheus
from tests.support.snippet_kinds import ROOT, without_ellipses
from tests.support.stand_ins import FUNCTIONS
from tests.support.up import TOKEN, Up, clean_environ, running_up

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

SENT: Final = "com.twilio.messaging.message.sent"
OPERATOR_TOKEN: Final = "of-the-operator-of-the-test"
EXAMPLE: Final = json.loads((ROOT / "examples" / "message-sent.json").read_text())
# An installation that has nothing yet, on the same broker.
EMPTY: Final = "EVENTSTREAMS_TOPIC_PREFIX=restored. EVENTSTREAMS_EVENTS_PARTITIONS=1 EVENTSTREAMS_RETRY_PARTITIONS=1"
ACLS: Final = "kafka-acls.sh --bootstrap-server $KAFKA --list --topic es. --resource-pattern-type"
LOG: Final = re.compile(r"(docker compose logs [^|\n]+\| )grep ")
# Whose admin address a runbook's commands ask, where it is not the API's.
ADMIN: Final[Mapping[str, str]] = {
    "docs/runbooks/retries-overdue.md": "worker-webhook",
    "docs/runbooks/router-stuck.md": "router",
    "docs/runbooks/workers-stuck.md": "worker-webhook",
}
ROWS: Final = [each for each in EXECUTED if each.test == LIVE]
PAGES: Final = sorted({each.page for each in ROWS})
# What goes on until Ctrl-C, or longer than a test may, ends; and what asks for a person's own things gets some.
# tests/support/stand_ins.py has until_ready and grep_log.
ENDS: Final[Mapping[str, str]] = {
    "eventstreams listen ": "until_ready eventstreams listen --listen 127.0.0.1:0 ",
    "eventstreams worker ": "until_ready eventstreams worker ",
    "EVENTSTREAMS_KAFKA=… EVENTSTREAMS_SECRET_KEY=… eventstreams api": "until_ready eventstreams api",
    "pip install '": "pip install --no-index '",  # that all of it is here already, pip finds
    "age -r age1…": "cat",
    "eventstreams control import": f"{EMPTY} eventstreams control import",
    "EVENTSTREAMS_SMTP_PASSWORD=…": "EVENTSTREAMS_SMTP_PASSWORD=p",
    "EVENTSTREAMS_AUTH_TOKEN=…": f"EVENTSTREAMS_AUTH_TOKEN={TOKEN}",
    "watch -n 5 ": "",
    "sleep 10": "sleep 0.1",
    '"example.com", 443': '"localhost", 443',
    f"{ACLS} match": f"{{ {ACLS} match || true; }} 2>&1 | grep 'No Authorizer is configured'",  # tests/kafka has one
    "eventstreams tail": "eventstreams tail --count 1",
    "eventstreams sinks test DG…": "eventstreams sinks test DG… --wait 60",
    "--duration 10m": "--count 20",
    "--account AC… --account AC…": "--account AC…",  # the second is one that there is not
    "~/.config/fish/completions/": "",
    "-d …": '-d Description=x -d SinkType=webhook --data-urlencode \'SinkConfiguration={"destination": "https://a.example.com"}\'',
    '"5f0c…"': '"5f0c"',
    '"password": "…"': '"password": "p"',
    '"write_key": "…"': '"write_key": "k"',
}


@dataclass
class RunningInstallation:
    """A whole installation, and what the placeholders of the pages stand for in it."""

    up: Up
    receiver: PlainReceiver
    env: Mapping[str, str]
    scratch: Path
    made: int = 0

    def ask(self, path: str, form: Mapping[str, str] | None = None) -> Any:
        """The answer of the API."""
        data = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(f"{self.up.about['api']}{path}", data=data, headers=self.authorization)
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:  # no primary, for a moment: a page has started another one
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    @property
    def authorization(self) -> dict[str, str]:
        given = base64.b64encode(f"{self.env['SID']}:{TOKEN}".encode()).decode()
        return {"Authorization": f"Basic {given}"}

    def until(self, path: str, key: str) -> Any:
        """The first of what is listed under ``key``, once there is one."""
        deadline = time.monotonic() + 60
        while not (found := self.ask(path)[key]):
            assert time.monotonic() < deadline, path
            time.sleep(0.05)
        return found[0]

    def publish(self) -> str:
        """The id of an event that was accepted."""
        headers = {**self.authorization, "Content-Type": "application/cloudevents+json"}
        url, body = f"{self.up.about['gateway']}/v1/Events", json.dumps(EXAMPLE).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=60) as answer:
            return str(json.load(answer)["ids"][0])

    def furnish(self) -> dict[str, str]:
        """A sink with a subscription, an event that was delivered and one that is a dead letter, by placeholder."""
        self.made += 1
        path = f"/200/{self.made}"
        configuration = json.dumps({"destination": f"{self.receiver.url}{path}", "standard_webhooks": {"scheme": "v1"}})
        fields = {"Description": "of a page", "SinkType": "webhook", "SinkConfiguration": configuration}
        sink = self.ask("/v1/Sinks", fields)["sid"]
        types = json.dumps({"type": SENT, "schema_version": 1})
        subscribed = {"Description": "of a page", "SinkSid": sink, "Types": types}
        subscription = self.ask("/v1/Subscriptions", subscribed)["sid"]
        event = self.publish()
        self.until(f"/v1/Attempts?SubscriptionSid={subscription}&Outcome=delivered", "attempts")
        self.receiver.answers[path] = 400
        self.publish()
        letter = self.until(f"/v1/DeadLetters?SubscriptionSid={subscription}", "dead_letters")["id"]
        self.receiver.answers[path] = 200
        return {
            "EZ8f3c…": event,
            "EZ…": event,
            "DG…": sink,
            "DF…": subscription,
            "AC…": self.env["SID"],
            "webhook.0.1234": letter,
            "http://127.0.0.1:8080": self.up.about["api"],
            "http://localhost:8080": self.up.about["api"],
            "https://events.staging.example.com": self.up.about["api"],
            "http://localhost:8081": self.up.about["gateway"],
        }


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningInstallation]:
    folder, scratch = tmp_path_factory.mktemp("up") / "data", tmp_path_factory.mktemp("scratch")
    for block in blocks_of(ROOT / "docs" / "adding-an-event-type.md"):
        if block.file is not None and block.file.startswith("catalog/"):
            (scratch / block.file).parent.mkdir(parents=True, exist_ok=True)
            (scratch / block.file).write_text(block.text)
    settings = {"EVENTSTREAMS_OPERATOR_TOKEN": OPERATOR_TOKEN, "EVENTSTREAMS_CATALOG_DIRS": str(scratch / "catalog")}
    with ExitStack() as stack:
        tools = tmp_path_factory.mktemp("tools")
        write_kafka_tools(tools)
        programs = [str(forks.program().parent), str(tools), str(Path(sys.executable).parent), os.environ["PATH"]]
        receiver = stack.enter_context(running_receiver())
        up = stack.enter_context(running_up(folder, env=settings))
        running = {role: up.about["admin"][role] for role in ("api", "gateway", "router", "worker-webhook")}
        prometheus = running_prometheus(tmp_path_factory.mktemp("prometheus") / "data", running)
        sid, api = str(up.about["account_sid"]), str(up.about["api"])
        told = re.findall(r"^export (\w+)=(.*)$", (folder / "env").read_text(), re.MULTILINE)
        (scratch / "data.json").write_text(json.dumps(EXAMPLE["data"]))
        (scratch / "events.jsonl").write_text(f"{json.dumps(EXAMPLE)}\n")
        stream = {"arn": "arn:aws:kinesis:eu-central-1:123456789012:stream/events"}
        role = {"role_arn": "arn:aws:iam::123456789012:role/events", "external_id": "5f0c"}
        (scratch / "kinesis.json").write_text(json.dumps({**stream, **role}))
        env = {
            **{name: value for name, value in clean_environ().items() if not name.startswith("XDG_")},
            "SID": sid,
            "ACCOUNT_SID": sid,
            "TOKEN": TOKEN,
            "AUTH_TOKEN": TOKEN,
            "API": api,
            "url": api,
            "KAFKA": str(up.about["kafka"]),
            "PROMETHEUS": stack.enter_context(prometheus).url,
            "LOGS": str(folder / "logs"),
            "SPARE": f"127.0.0.1:{free_ports(1)[0]}",
            "HOME": str(scratch),
            "PATH": os.pathsep.join(programs),
            **{name: "".join(shlex.split(value)) for name, value in told},
        }
        yield RunningInstallation(up, receiver, env, scratch)


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_as_they_stand(installation: RunningInstallation, page: str) -> None:
    assert shutil.which("curl"), "the pages' commands use curl: install it"
    places = installation.furnish()
    env = {
        **installation.env,
        "ALERTS_SINK_SID": places["DG…"],
        "ADMIN": installation.up.about["admin"][ADMIN.get(page, "api")],
    }
    answer: Any = None
    said = ""

    with Shell(env, cwd=str(installation.scratch)) as shell:
        shell.run(FUNCTIONS)
        for block in blocks_of(ROOT / page):
            if not any(row.takes(block) for row in ROWS):
                continue
            match block.language:
                case "json":
                    assert answer is not None
                    same_shape(block, answer)
                case "":
                    same_lines(block, said)
                case "python":
                    shell.run(f"python -c {shlex.quote(in_place(block.text, places))}")
                case _:
                    for command in commands(in_place(LOG.sub(r"\1grep_log ", block.text), ENDS)):
                        given = TOKEN if "profiles add" in command else "y"
                        if "Status=cancelling" in command:
                            stop(installation, shell, in_place(command, places), places["JR…"])
                            continue
                        said = shell.run(in_place(command, places), given=given)
                        answer = json_in(said, answer)
                        if isinstance(answer, dict) and str(answer.get("sid")).startswith("JR"):
                            places["JR…"] = answer["sid"]


def stop(installation: RunningInstallation, shell: Shell, command: str, job: str) -> None:
    """Run ``command``, which has ``job`` stopped; with as little as it has to do it may be over before."""
    shell.run(f"{command}\ntrue")

    assert installation.ask(f"/v1/Redrives/{job}")["status"] in {"cancelling", "cancelled", "completed"}


def in_place(text: str, places: Mapping[str, str]) -> str:
    for place in sorted(places, key=len, reverse=True):
        text = text.replace(place, places[place])
    return text


def json_in(said: str, known: Any) -> Any:
    """The JSON that was said; ``known`` where it was something else."""
    try:
        return json.loads(said)
    except ValueError:
        return known


def test_what_the_page_about_errors_shows_is_what_a_refusal_looks_like(installation: RunningInstallation) -> None:
    [shown] = [each for each in blocks_of(ROOT / "docs" / "errors.md") if each.language == "json"]

    with Shell(installation.env, cwd=str(installation.scratch)) as shell:
        said = shell.run('curl -s -u "$SID:$TOKEN" $API/v1/Sinks/DG1')

    same_shape(shown, json.loads(said))


def test_what_the_page_about_accounts_shows_is_on_the_trail(installation: RunningInstallation) -> None:
    installation.furnish()
    shown = [each for each in blocks_of(ROOT / "docs" / "accounts.md") if each.language == "json"]

    listed = installation.ask("/v1/AuditEvents?PageSize=1")["audit_events"]

    same_shape(shown[0], listed[0])
    assert re.fullmatch(r"created subscription '.+' \(DF\w+\)", listed[0]["summary"])


def test_what_the_page_about_webhooks_shows_of_the_secret_is_what_the_api_says(
    installation: RunningInstallation,
) -> None:
    page = blocks_of(ROOT / "docs" / "sinks" / "webhook.md")
    [shown] = [each for each in page if each.language == "json" and "whsec_" in each.text]

    rotated = installation.ask(f"/v1/Sinks/{installation.furnish()['DG…']}/SigningSecret", {"GraceSeconds": "3600"})

    assert rotated["previous"]
    same_shape(shown, rotated)


def test_a_delivery_has_the_form_that_the_page_about_webhooks_shows(installation: RunningInstallation) -> None:
    [shown] = [each for each in blocks_of(ROOT / "docs" / "sinks" / "webhook.md") if each.language == "http"]
    head, _, body = shown.text.partition("\n\n")
    configuration = {"destination": f"{installation.receiver.url}/200/shown", "batch_events": True}
    fields = {"Description": "x", "SinkType": "webhook", "SinkConfiguration": json.dumps(configuration)}
    types = json.dumps({"type": SENT, "schema_version": 1})
    sink = installation.ask("/v1/Sinks", fields)["sid"]
    subscription = installation.ask("/v1/Subscriptions", {"Description": "x", "SinkSid": sink, "Types": types})["sid"]

    event = installation.publish()
    installation.until(f"/v1/Attempts?SubscriptionSid={subscription}&Outcome=delivered", "attempts")

    [(path, headers)] = [each for each in installation.receiver.heads if each[0].startswith("/200/shown")]
    names = {line.partition(":")[0].title() for line in head.splitlines()[1:]}
    assert names <= {each.title() for each in headers}
    assert "?bodySHA256=" in head.splitlines()[0]
    assert re.search(r"\?bodySHA256=[0-9a-f]{64}$", path)
    [delivered] = [each for each in installation.receiver.events if each["id"] == event][-1:]
    assert set(json.loads(without_ellipses(body))[0]) == set(delivered)
