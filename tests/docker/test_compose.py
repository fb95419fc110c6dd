"""The compose file on a real Docker Engine: comes up healthy, delivers, is watched, and gets over a death."""

import asyncio
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import aiohttp
import pytest

from eventstreams.client import Connection
from tests.support.docker import PAGE, ROOT, Compose
from tests.support.events import SENT, message_event
from tests.support.gateway import STRUCTURED
from tests.support.mail import SENDER, TO, USER, Keys, Mailbox, events_in, mail_server
from tests.support.page import shown, typed
from tests.support.topic import eventually

pytestmark = [pytest.mark.docker, pytest.mark.timeout(3600)]

ROLES = {"api", "gateway", "router", "worker-webhook", "worker-kinesis", "worker-segment"}
MAILING = ("api", "worker-email")
MAIL_HOST = "host.docker.internal"


def smoke(compose: Compose) -> str:
    done = compose.type(f"{typed(PAGE, 'run --rm smoke')} --timeout 240")
    sys.stdout.write(done.stdout)  # make test-compose shows it
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-2000:]}\n{compose('logs', '--tail', '20').stdout}"
    return done.stdout


def answers(compose: Compose, query: str) -> list[dict[str, Any]]:
    """What Prometheus answers to ``query`` now."""
    with urlopen(f"http://{compose.port('prometheus', 9090)}/api/v1/query?{urlencode({'query': query})}") as told:
        found: list[dict[str, Any]] = json.load(told)["data"]["result"]
    return found


def test_events_are_delivered_and_nothing_is_left_behind(compose: Compose) -> None:
    said = smoke(compose)

    assert "10 events, each signed" in said
    printed = shown(PAGE, "it works").splitlines()
    lines = said.splitlines()[-len(printed) :]
    assert [line.split()[0] for line in lines] == [line.split()[0] for line in printed]
    assert lines[-1].split() == printed[-1].split()
    assert "left behind" not in said


def test_every_role_is_healthy_and_the_job_that_makes_topics_has_ended(compose: Compose) -> None:
    for role in ROLES:
        compose.wait_until_healthy(role)
    topics = compose.state()["topics"]

    assert (topics["State"], topics["ExitCode"]) == ("exited", 0)


def test_prometheus_scrapes_every_role(compose: Compose) -> None:
    compose.wait_until_healthy("prometheus")
    seen: set[str] = set()
    while seen != ROLES:  # the test's own time limit ends it
        found = answers(compose, 'up{job="eventstreams"}')
        seen = {each["metric"]["role"] for each in found if each["value"][1] == "1"}


def test_nothing_has_a_capability_or_unlimited_memory_and_roles_may_write_nothing(compose: Compose) -> None:
    for service in (*ROLES, "topics", "kafka", "prometheus"):
        host = compose.inspect(service)["HostConfig"]

        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["Memory"] > 0
        assert host["ReadonlyRootfs"] == (service not in ("kafka", "prometheus"))


def test_events_are_delivered_after_a_worker_and_the_router_were_killed(compose: Compose) -> None:
    for role in ("worker-webhook", "router"):
        # Not by `docker kill`, after which the engine takes the container for one that is not wanted any more.
        compose("exec", "--no-TTY", role, "sh", "-c", "kill -9 -1")

    assert "10 events, each signed" in smoke(compose)
    assert compose.inspect("router")["RestartCount"] == 1


def test_events_are_delivered_where_kafka_wants_tls_and_a_user_also_by_more_of_a_role(
    make: Callable[[], Compose],
) -> None:
    """With `sh new-certificates.sh` and `--scale` as docs/deploying-with-compose.md has them."""
    compose, services = make(), ("kafka", "topics", "api", "gateway", "router", "worker-webhook")
    compose.add_file("compose.tls.yaml")
    compose.new_certificates()

    compose.up(*services)
    compose.scale(*services)

    assert "10 events, each signed" in smoke(compose)
    assert "SASL_SSL" in str(compose.inspect("kafka")["Config"]["Env"])
    copies = {role: len(compose("ps", "--quiet", role).stdout.split()) for role in ("worker-webhook", "router")}
    assert copies == {"worker-webhook": 3, "router": 2}
    compose.down()


def test_a_worker_of_a_type_of_one_s_own_delivers_and_is_scraped(make: Callable[[], Compose]) -> None:
    compose = make()
    own = shown(PAGE, "EVENTSTREAMS_PLUGINS=").replace("beanstalk", "webhook")  # nobody else runs it here
    compose.set(**dict(line.split("=", 1) for line in own.splitlines()))

    compose.up("kafka", "topics", "api", "gateway", "router", "worker-own", "prometheus")

    assert "10 events, each signed" in smoke(compose)
    assert "worker-webhook" not in compose.state()
    asked = 'sum(eventstreams_delivery_attempts_total{role="worker-own"})'
    while not (told := answers(compose, asked)) or float(told[0]["value"][1]) == 0:  # the test's own limit ends it
        time.sleep(1)
    compose.down()


def mail_through(compose: Compose, mailbox: Mailbox, authorities: Path) -> None:
    """Set ``mailbox``, which listens on this machine, as the mail server, with the overlay of docs/sinks/email.md."""
    page = (ROOT / "docs" / "sinks" / "email.md").read_text()
    [overlay] = re.findall(r"```yaml\n(services:.*?)```", page, re.DOTALL)
    (compose.folder / "compose.mail.yaml").write_text(overlay)
    (compose.folder / "mail-ca.pem").write_bytes(authorities.read_bytes())
    reach = {"extra_hosts": [f"{MAIL_HOST}:host-gateway"]}
    (compose.folder / "compose.host.json").write_text(json.dumps({"services": dict.fromkeys(MAILING, reach)}))
    for name in ("compose.mail.yaml", "compose.host.json"):
        compose.add_file(name)
    compose.set(
        COMPOSE_PROFILES="email",
        EVENTSTREAMS_SINK_TYPES="webhook,kinesis,segment,email",
        EVENTSTREAMS_SMTP_URL=f"smtp://{USER}@{MAIL_HOST}:{mailbox.port}",
        EVENTSTREAMS_SMTP_FROM=f"Events <{SENDER}>",
        EVENTSTREAMS_SMTP_PASSWORD=f"'{mailbox.password}'",
        EVENTSTREAMS_SMTP_TLS_AUTHORITIES="/certificates/mail-ca.pem",
    )


async def publish(compose: Compose, event_id: str) -> None:
    """One event, through the gateway."""
    account, token = compose.credentials()
    headers = {**STRUCTURED, "Authorization": aiohttp.encode_basic_auth(account, token)}
    made = message_event(account, 1)
    event = {"specversion": "1.0", "id": event_id, "type": made.type, "source": made.source, "data": made.data}
    url = f"http://{compose.port('gateway', 8081)}/v1/Events"
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, data=json.dumps(event)) as answer:
        assert answer.status == 202, await answer.text()


async def test_events_arrive_by_mail_through_a_server_with_an_authority_of_its_own(
    make: Callable[[], Compose], tmp_path: Path
) -> None:
    compose, keys = make(), Keys.new(tmp_path, MAIL_HOST)
    async with mail_server(keys, listen="0.0.0.0") as mailbox:  # the engine chooses by which address it is reached
        mailbox.password = 'with $HOME, #1 and "quotes"'
        mail_through(compose, mailbox, keys.authorities)
        authority = compose.folder / "mail-ca.pem"
        authority.chmod(0o600)
        refused = await asyncio.to_thread(compose, "run", "--rm", "--no-deps", "--no-TTY", "worker-email")
        assert "a PEM file that this process can read (Permission denied)" in refused.stderr
        authority.chmod(0o644)
        await asyncio.to_thread(compose.up, "kafka", "topics", "gateway", "router", *MAILING)

        async def mails(count: int) -> None:
            await eventually(
                lambda: len(mailbox.mails) >= count,
                timeout_s=300,
                what=lambda: compose("logs", "--tail", "20", "router", *MAILING).stdout,
            )

        async with Connection(f"http://{compose.port('api', 8080)}", *compose.credentials()) as api:
            config = json.dumps({"to": TO, "every_s": 1})
            made = await api.post(
                "/v1/Sinks", [("Description", "d"), ("SinkType", "email"), ("SinkConfiguration", config)]
            )
            sink = str(made["sid"])
            assert (await api.post(f"/v1/Sinks/{sink}/Probe"))["outcome"] == "delivered"
            await api.post(f"/v1/Sinks/{sink}/Test")
            await mails(1)
            [question] = events_in(mailbox.mails[0])
            await api.post(f"/v1/Sinks/{sink}/Validate", [("TestId", question["data"]["test_id"])])
            types = json.dumps({"type": SENT})
            await api.post("/v1/Subscriptions", [("Description", "d"), ("SinkSid", sink), ("Types", types)])
        await publish(compose, "EZ1")
        await mails(2)

    [_, digest] = mailbox.mails
    assert mailbox.recipients == [[TO], [TO]]
    assert digest["Subject"] == "Events: 1 event"
    assert [each["id"] for each in events_in(digest)] == ["EZ1"]
    logs = compose("logs").stdout
    assert "worker-email-1" in logs
    assert "$HOME, #1" not in logs
    compose.down()


def test_without_secrets_it_does_not_start_and_says_what_makes_them(compose: Compose, tmp_path: Path) -> None:
    bare = Compose(tmp_path, project="estestbare", subnet="172.31.251.0/24", images={})

    done = bare("config")

    assert done.returncode != 0
    assert "run sh new-env.sh" in done.stderr


def test_with_a_kafka_of_your_own_there_is_no_broker_and_its_address_must_be_said(compose: Compose) -> None:
    told = dict(line.split("=", 1) for line in shown(PAGE, "compose.external-kafka.yaml").splitlines())

    without = compose("config", "--services", COMPOSE_FILE=told["COMPOSE_FILE"])
    given = compose(
        "config",
        "--services",
        COMPOSE_FILE=told["COMPOSE_FILE"],
        EVENTSTREAMS_KAFKA=told["EVENTSTREAMS_KAFKA"],
        EVENTSTREAMS_REPLICATION_FACTOR=told["EVENTSTREAMS_REPLICATION_FACTOR"],
    )

    assert "set it in .env to the bootstrap servers of your Kafka" in without.stderr
    assert set(given.stdout.split()) == {*ROLES, "topics", "prometheus", "grafana"}


def test_routers_with_names_are_those_of_docs_rolling_restarts_md(compose: Compose) -> None:
    (compose.folder / "compose.routers.yaml").write_text(shown(ROOT / "docs" / "rolling-restarts.md", "router-1:"))

    done = compose("config", "--format", "json", COMPOSE_FILE="compose.yaml:compose.routers.yaml")

    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    plain = services["router"]["environment"]
    for name in ("router-1", "router-2"):
        named = {"EVENTSTREAMS_INSTANCE": name, "EVENTSTREAMS_SESSION_TIMEOUT": "45s"}
        assert services[name]["environment"] == plain | named
        assert services[name]["command"] == ["router"]
