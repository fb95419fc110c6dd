"""The commands of a subscriber, and docs/command-line.md, against a whole installation."""

import asyncio
import json
import os
import re
import shlex
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
import structlog
from aiohttp import web
from click.testing import CliRunner, Result
from pydantic import SecretStr

from eventstreams.cli.main import eventstreams
from eventstreams.settings import Settings
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.receiver import Received, Receiver
from router.role import route
from sink_workers.role import worker_for
from tests.support.installation import DELIVERED, SENT, TOKEN, Installation
from tests.support.plain_api import PlainApi, serving_counted
from tests.support.topic import PATIENCE_S

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "command-line.md").read_text("utf-8")
HOSTILE: Final = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe \x9b31m [bold red]x[/]\r\nsecond line"
HARMFUL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u200b]")


@dataclass
class System:
    """Router, worker for webhooks, API with a log, and a receiver whose answer is the end of the path."""

    installation: Installation
    receiver: Receiver
    url: str

    @property
    def api(self) -> PlainApi:
        return PlainApi(self.url, self.installation.account_sid)

    @property
    def env(self) -> dict[str, str]:
        return {
            "EVENTSTREAMS_PUBLIC_URL": self.url,
            "EVENTSTREAMS_ACCOUNT_SID": self.installation.account_sid,
            "EVENTSTREAMS_AUTH_TOKEN": TOKEN,
            "EVENTSTREAMS_KAFKA": self.installation.settings.kafka,
            "EVENTSTREAMS_TOPIC_PREFIX": self.installation.settings.topic_prefix,
        }

    async def command(self, *arguments: str, code: int = 0, given: str | None = None) -> Result:
        """Run ``eventstreams`` with ``arguments`` beside the system, as a person does."""
        result = await asyncio.to_thread(CliRunner(env=self.env).invoke, eventstreams, arguments, input=given)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    async def told(self, *arguments: str, code: int = 0, given: str | None = None) -> Any:
        """What it prints for scripts."""
        return json.loads((await self.command(*arguments, "-o", "json", code=code, given=given)).stdout)

    async def sink(self, status: int = 200, description: str = "of the test") -> str:
        made = await self.told("sinks", "create", description, "--destination", f"{self.receiver.url}/{status}")
        return str(made["sid"])

    async def published(self, number: int) -> str:
        """The id of an event, once its attempt is in the log."""
        event = self.installation.event(number)
        await self.installation.publish([event])
        await self.api.until("/v1/Attempts", lambda answer: bool(answer["attempts"]), EventId=event.id)
        return event.id


def answer(received: Received) -> web.Response:
    status = int(received.url.partition("?")[0].rpartition("/")[2])
    return web.Response(status=status, headers={"Retry-After": "3600"} if status == 503 else {})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(module_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    file = tmp_path_factory.mktemp("log") / "delivery-log.db"
    settings = module_settings.model_copy(update={"delivery_log": SecretStr(str(file))})
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.__stderr__))  # stdout is the commands'
    async with Installation(settings) as installation, Receiver(answer) as receiver:
        await installation.start(route)
        await installation.start(worker_for(load_plugin("webhook")))
        async with serving_counted(settings) as (url, _):
            yield System(installation, receiver, url)
    structlog.reset_defaults()


@pytest_asyncio.fixture(loop_scope="module")
async def system(shared: System) -> System:
    """The shared system, with an account that no other test has."""
    await shared.installation.new_account()
    await shared.api.until("/v1/Sinks", lambda _: True)
    return shared


async def test_sinks_are_made_shown_listed_paused_and_deleted(system: System) -> None:
    sid = await system.sink(description="orders")
    batched = json.dumps({"destination": "https://hooks.example.com/", "batch_events": True})
    other = await system.told("sinks", "create", "batches", "--configuration", "-", given=batched)
    listed = await system.command("sinks", "list")
    paused = await system.told("sinks", "pause", sid)
    shown = await system.command("sinks", "show", sid)
    resumed = await system.told("sinks", "resume", sid)
    asked = await system.command("sinks", "delete", sid, code=1)
    deleted = await system.told("sinks", "delete", sid, "--yes")
    left = await system.told("sinks", "list", "--unused")

    assert other["sink_configuration"]["batch_events"] is True
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["sid", sid, other["sid"]]
    assert (paused["paused"], resumed["paused"]) == (True, False)
    assert re.search(r"^state +paused$", shown.stdout, re.MULTILINE)
    assert "batch_events" in shown.stdout
    assert f"Delete sink {sid}?" in asked.output
    assert deleted == {"sid": sid, "deleted": True}
    assert [each["sid"] for each in left] == [other["sid"]]


async def test_a_test_of_a_sink_shows_its_answer_and_ends_with_1_where_it_failed(system: System) -> None:
    good, bad = await system.sink(), await system.sink(404)

    first = await system.command("sinks", "test", good, "--wait", "60")
    again = await system.command("sinks", "test", good, "--wait", "60")
    refused = await system.command("sinks", "test", bad, "--wait", "60", code=1)
    key = json.dumps({"write_key": "of-the-test"})
    nobody = await system.told("sinks", "create", "x", "--type", "segment", "--configuration", "-", given=key)
    taken = await system.told("sinks", "validate", good)
    not_taken = await system.command("sinks", "validate", bad, "-o", "json", code=1)
    late = await system.command("sinks", "test", nobody["sid"], "--wait", "0", code=1)  # no worker of its type runs

    assert re.search(r"^outcome +delivered$", first.stdout, re.MULTILINE)
    assert "delivered" in again.stdout
    assert re.search(r"^status +404$", refused.stdout, re.MULTILINE)
    assert "was not delivered: refused" in str(refused.exception)
    assert (taken["sink_sid"], taken["outcome"]) == (good, "delivered")
    assert json.loads(not_taken.stdout)["reason"] == "refused"
    assert "no attempt has been logged" in str(late.exception)


async def test_subscriptions_are_made_changed_shown_and_deleted(system: System) -> None:
    sink = await system.sink()

    made = await system.told("subscriptions", "create", "messages", f"{SENT}:1", "--sink", sink)
    sid = made["sid"]
    added = await system.told("subscriptions", "add-type", sid, DELIVERED)
    pinned = await system.told("subscriptions", "add-type", sid, f"{DELIVERED}:1")
    shown = await system.told("subscriptions", "show", sid)
    removed = await system.told("subscriptions", "remove-type", sid, SENT)
    listed = await system.command("subscriptions", "list", "--sink", sink)
    in_use = await system.command("sinks", "delete", sink, "--yes", code=1)
    await system.command("subscriptions", "delete", sid, "--yes")

    assert added["schema_version"] > pinned["schema_version"] == 1
    assert sorted(shown["types"]) == sorted([f"{DELIVERED}:1", f"{SENT}:1"])
    assert removed["removed"] is True
    assert sid in listed.stdout
    assert "is in use" in str(in_use.exception)
    assert (await system.told("subscriptions", "list")) == []


async def test_types_are_listed_by_product_and_shown_with_an_example(system: System) -> None:
    everything = await system.command("types")
    found = await system.command("types", "taskrouter")
    none = await system.command("types", "no-such-thing")
    shown = await system.command("types", "show", SENT)
    data = await system.told("types", "show", SENT)

    assert "Messaging" in everything.stdout.splitlines()
    assert "TaskRouter" in found.stdout.splitlines()
    assert SENT not in found.stdout
    assert none.stderr == "none\n"
    assert "schema versions" in shown.stdout
    assert "messageSid" in shown.stdout
    assert data["example"]["messageStatus"] == "SENT"  # other types have the same schema
    assert [each["schema_version"] for each in data["versions"]] == sorted(
        each["schema_version"] for each in data["versions"]
    )


async def test_mistakes_are_said_in_a_sentence(system: System) -> None:
    version = await system.command("subscriptions", "create", "x", f"{SENT}:new", "--sink", "DG1", code=2)
    no_object = await system.command("sinks", "create", "x", "--configuration", "-", code=2, given="[]")
    no_sink = await system.command("sinks", "show", "DG/../..", code=1)
    no_event = await system.command("events", "where", "EZnone", code=1)
    sink = await system.sink()
    mistyped = await system.command("subscriptions", "create", "x", f"{SENT}x", "--sink", sink, code=1)
    no_type = await system.command("types", "show", "com.twilio.messaging.message.snt", code=1)
    no_url = await system.command("tail", "--lines", "0", "--url", "foo", code=1)
    two = await system.command("listen", "--standard-webhooks", "v1", code=2)
    everywhere = await system.command("listen", "--listen", "0.0.0.0:0", "--subscribe", SENT, code=2)
    secret = await system.command("listen", "--secret-file", "-", code=2, given="whsec_*")

    assert f"such as {SENT}:1" in version.stderr
    assert "a JSON object" in no_object.stderr
    assert "SID is malformed" in str(no_sink.exception)
    assert no_event.exception is not None
    assert f"no event type {SENT}x. Did you mean {SENT}" in str(mistyped.exception)
    assert f"no event type com.twilio.messaging.message.snt. Did you mean {SENT}" in str(no_type.exception)
    assert "--url is 'foo': it must be a URL such as" in str(no_url.exception)
    assert "--secret-file" in two.stderr
    assert "--receiver-url" in everywhere.stderr
    assert "whsec_…" in secret.stderr
    assert "whsec_*" not in secret.stderr


async def test_who_follows_a_type_that_is_none_is_told_so_and_goes_on_following(system: System) -> None:
    following = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "eventstreams", "tail", "--type", f"{SENT}x"),
        cwd=ROOT,
        env=clean(system.env),
        stderr=asyncio.subprocess.PIPE,
        # A shell has programs that it starts in the background ignore Ctrl-C, and so what these start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert following.stderr is not None
    try:
        said = await asyncio.wait_for(following.stderr.readline(), PATIENCE_S)
        ended_by_itself = following.returncode
        following.send_signal(signal.SIGINT)
        code = await asyncio.wait_for(following.wait(), PATIENCE_S)
    finally:
        if following.returncode is None:  # what is left of it would fail another test
            following.kill()
            await following.wait()

    assert f"there is no event type {SENT}x. Did you mean {SENT}" in said.decode()
    assert (ended_by_itself, code) == (None, 0)


async def test_dead_letters_and_samples_are_told_as_everything_else_is(system: System) -> None:
    sink = await system.sink(404)
    made = await system.told("subscriptions", "create", "x", SENT, "--sink", sink)
    event_id = await system.published(7002)
    await system.api.until("/v1/DeadLetters", lambda answer: bool(answer["dead_letters"]))

    shown = await system.command("dead-letters", "list")
    [told] = await system.told("dead-letters", "list", "--subscription", made["sid"])
    none = await system.command("dead-letters", "list", "--reason", "expired")
    one = await system.told("dead-letters", "show", told["id"])
    printed_one = await system.command("dead-letters", "show", told["id"])
    sample = await system.told("sample", sink, SENT)
    printed = await system.command("sample", sink, SENT)

    header, line = shown.stdout.splitlines()
    assert header.split()[:4] == ["date_died", "id", "subscription_sid", "event_id"]
    assert line.split()[2:4] == [made["sid"], event_id]
    assert (told["event_id"], told["reason"]) == (event_id, "refused")
    assert none.stderr == "none match\n"
    assert (one["id"], one["reason"], one["data"]["eventName"]) == (told["id"], "refused", SENT)
    assert f'"eventName": "{SENT}"' in printed_one.stdout
    assert sample["sink_sid"] == sink
    assert printed.stdout.startswith("EZ")


async def test_where_an_event_is_and_what_was_attempted(system: System) -> None:
    good, bad = await system.sink(), await system.sink(503)
    for sink in (good, bad):
        await system.command("subscriptions", "create", "x", SENT, "--sink", sink)
    event_id = await system.published(7001)
    await system.api.until("/v1/Attempts", lambda answer: len(answer["attempts"]) > 1, EventId=event_id)

    shown = await system.command("events", "where", event_id)
    told = await system.told("events", "where", event_id)
    tailed = await system.command("tail", "--event", event_id, "--count", "2", "--type", SENT)
    failed = await system.told("tail", "--event", event_id, "--outcome", "failed", "--count", "1")

    states = {each["sink_sid"]: each["state"] for each in told["event"]["deliveries"]}
    assert states == {good: "delivered", bad: "retrying"}
    assert {each["status"] for each in told["attempts"]} == {200, 503}
    [retrying] = [each for each in told["event"]["deliveries"] if each["sink_sid"] == bad]
    assert retrying["next_try_at"] in shown.stdout
    assert len(tailed.stdout.splitlines()) == 2
    assert failed["status"] == 503


async def test_a_hostile_text_shows_harmlessly(system: System) -> None:
    made = await system.told("sinks", "create", HOSTILE, "--destination", "https://hooks.example.com/")
    subscription = await system.told("subscriptions", "create", HOSTILE, SENT, "--sink", made["sid"])

    shown = [
        await system.command("sinks", "list"),
        await system.command("sinks", "show", made["sid"]),
        await system.command("sinks", "list", "-o", "json"),
        await system.command("subscriptions", "list"),
        await system.command("subscriptions", "show", subscription["sid"]),
    ]

    assert made["description"] == HOSTILE
    assert [each.stdout for each in shown if HARMFUL.search(each.stdout)] == []
    assert all("[bold red]x[/]" in each.stdout for each in shown)


async def test_listening_with_a_subscription_shows_each_event_and_leaves_nothing_behind(system: System) -> None:
    arguments = ("--subscribe", SENT, "--standard-webhooks", "v1", "--fail-first", "0", "-o", "json")
    async with listening(system, *arguments) as (process, said):
        event_id = await system.published(7002)
        line = json.loads(await said.line(event_id))
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0

    assert (line["signature"], line["answered"], line["arrival"]) == ("genuine", 200, 1)
    assert await system.told("sinks", "list") == []
    assert await system.told("subscriptions", "list") == []


async def test_its_commands_run_as_they_stand(system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("EVENTSTREAMS_PROFILE", "")  # put back at the end, with what --profile sets in this process
    monkeypatch.delenv("EVENTSTREAMS_PROFILE")
    sink, refusing = await system.sink(), await system.sink(404)
    subscription = (await system.told("subscriptions", "create", "x", SENT, "--sink", sink))["sid"]
    refused = (await system.told("subscriptions", "create", "x", SENT, "--sink", refusing))["sid"]
    event_id = await system.published(7003)
    await system.api.until("/v1/Attempts", lambda answer: bool(answer["attempts"]), SubscriptionSid=refused)
    places = {"DG…": sink, "DF…": subscription, "EZ…": event_id, "$SID": system.installation.account_sid}
    places |= {f"https://events{each}.example.com": system.url for each in ("", ".staging")}
    places |= {"--account AC…": f"--account {system.installation.account_sid}", " --key SK…": ""}
    # The page's own subscription would use the sink, which is deleted at its end.
    places |= {'create "messages" --sink DG…': f'create "messages" --sink {refusing}'}

    said = [await ran(system, arguments, given) for arguments, given in commands(places)]

    assert len(said) > 25
    assert sum("removed /v1/Sinks/" in each for each in said) == 1
    assert [each for each in said if "Traceback" in each] == []


def commands(places: Mapping[str, str]) -> Iterator[tuple[Sequence[str], str | None]]:
    """The page's commands in order: their arguments, and what is piped into them. ``places``: what stands for what."""
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
    for place in sorted(places, key=len, reverse=True):
        script = script.replace(place, places[place])
    for line in filter(None, re.sub(r"\|\n *", "| ", script).splitlines()):
        piped, _, words = line.rpartition("| ")
        program, *arguments = shlex.split(words)
        assert program in {"eventstreams", "export"}, line
        if program == "eventstreams":
            yield arguments, shlex.split(piped)[1] if piped else None


async def ran(system: System, arguments: Sequence[str], given: str | None) -> str:
    """All that a command of the page says. What goes on until Ctrl-C gets its end."""
    if arguments[0] == "listen":
        async with listening(system, *arguments[1:]) as (process, said):
            process.send_signal(signal.SIGTERM)
            ended = await said.rest()
            assert await process.wait() == 0
            return ended
    if arguments[:2] == ["profiles", "add"]:
        given = f"{TOKEN}\n"
    elif arguments[:2] == ["events", "replay"]:
        given = "y\n"
    more = ("--count", "1") if arguments[0] == "tail" else ()
    return (await system.command(*arguments, *more, given=given)).output


class Said:
    """What a process says."""

    def __init__(self, out: asyncio.StreamReader) -> None:
        self._out = out

    async def line(self, words: str) -> str:
        """The next line that has ``words`` in it."""
        lines = []
        async with asyncio.timeout(60):
            while line := (await self._out.readline()).decode():
                lines.append(line)
                if words in line:
                    return line
        raise AssertionError(lines)

    async def rest(self) -> str:
        return (await self._out.read()).decode()


@asynccontextmanager
async def listening(system: System, *arguments: str) -> AsyncIterator[tuple[Process, Said]]:
    """``eventstreams listen``, once it listens, and what it says."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "eventstreams", "listen", "--listen", "127.0.0.1:0", *arguments),
        cwd=ROOT,
        env=clean(system.env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = Said(process.stdout)
    try:
        await said.line("listening on")
        yield process, said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def clean(env: Mapping[str, str]) -> Mapping[str, str]:
    """This environment without settings, and ``env``; our commands are found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EVENTSTREAMS_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, **env, "PATH": path}
