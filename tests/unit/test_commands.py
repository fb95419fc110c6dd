"""The command line's own parts: completion, help, and what may be said of a subscription."""

import asyncio
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import click
import pytest
from aiohttp import web
from click.testing import CliRunner
from pydantic import SecretStr

from control_api.commands import events, listen, tail
from control_api.commands.run import show_table
from control_api.commands.subscriptions import subscribed_fields
from control_api.commands.types import matching
from control_api.listener.receiver import Seen
from control_api.listener.signatures import Verdict
from eventstreams.cli.main import eventstreams, run
from eventstreams.errors import EventStreamsError
from eventstreams.process.health import serve_app
from eventstreams.process.listen import address_of, open_socket
from eventstreams.smoke.receiver import SmokeReceiver
from eventstreams.smoke.run import Installation, SmokeError, run_smoke

PAGE = (Path(__file__).parents[2] / "docs" / "command-line.md").read_text("utf-8")
HOSTILE = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe \x9b31m [bold red]x[/] é\r\n\u2028"
ATTEMPT = (*tail._COLUMNS, "duration_ms", "answer")
DELIVERY = ("subscription_sid", "sink_sid", "state", "topic", "partition", "offset", "next_try_at", "deadline")
EVENT = ("id", "type", "account_sid", "time", "accepted_at", "topic", "partition", "offset")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell: str) -> None:
    done = CliRunner().invoke(eventstreams, ["completion", shell])

    assert done.exit_code == 0
    assert f"_EVENTSTREAMS_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("eventstreams subs", "subscriptions"),
        ("eventstreams sinks pa", "pause"),
        ("eventstreams types sh", "show"),
        ("eventstreams listen --fail", "--fail-first"),
    ],
)
def test_commands_and_options_are_completed(words: str, completed: str) -> None:
    env = {"_EVENTSTREAMS_COMPLETE": "zsh_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}

    done = CliRunner(env=env).invoke(eventstreams, prog_name="eventstreams")

    assert completed in done.stdout.splitlines()


def test_ctrl_c_ends_a_command_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("eventstreams.catalog.cli.check_catalog", interrupt)

    done = CliRunner().invoke(eventstreams, ["catalog", "check"])

    assert (done.exit_code, done.output) == (130, "")


@pytest.mark.parametrize(
    "command",
    [
        *("accounts create", "events where", "keys create", "listen", "publish", "sample", "simulate", "sinks create"),
        *("subscriptions create", "tail", "types"),
    ],
)
def test_help_has_examples_a_line_each(command: str) -> None:
    done = CliRunner().invoke(eventstreams, [*command.split(), "--help"])

    _, _, examples = done.stdout.partition("Examples:")
    assert f"\n    eventstreams {command.split(maxsplit=1)[0]}" in examples


def test_colours_are_for_a_terminal_alone_and_for_who_wants_them() -> None:
    table = "[{'sid': 'DG1', 'status': 'failed'}], ('sid', 'status')"
    command = [sys.executable, "-c", f"from control_api.commands.run import show_table; show_table({table})"]
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    env = {**kept, "TERM": "xterm-256color"}

    def on_a_terminal(**more: str) -> bytes:
        reading, terminal = os.openpty()
        try:
            subprocess.run(command, stdout=terminal, env={**env, **more}, timeout=90, check=True)
            return os.read(reading, 4096)
        finally:
            os.close(reading)
            os.close(terminal)

    piped = subprocess.run(command, capture_output=True, env=env, timeout=90, check=True).stdout

    assert b"\x1b[31mfailed" in on_a_terminal()
    assert b"\x1b[31m" not in on_a_terminal(NO_COLOR="1")
    assert piped.split() == [b"sid", b"status", b"DG1", b"failed"]


def test_an_error_shows_harmlessly(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise EventStreamsError("the sink said \x1b[2J\u202e")

    with pytest.raises(SystemExit) as ended:
        run(fail)

    assert ended.value.code == 1
    assert capsys.readouterr().err == "eventstreams: the sink said \\x1b[2J\\u202e\n"


def test_a_type_is_named_with_or_without_its_schema_s_version() -> None:
    assert subscribed_fields(["a.b", "a.c:7"]) == [
        ("Types", '{"type":"a.b"}'),
        ("Types", '{"type":"a.c","schema_version":7}'),
    ]
    for wrong in ("a.b:", "a.b:x", "a.b:-1", "a.b:²", "a.b:" + "9" * 5000):
        with pytest.raises(click.BadParameter, match=r"such as a\.b:1"):
            subscribed_fields([wrong])


def test_types_are_found_by_any_of_their_words_and_stand_by_product() -> None:
    types = [
        {"type": "com.z", "description": "a Call ended", "schema_id": "Voice.Call"},
        {"type": "com.b", "description": "sent", "schema_id": "Messaging.Message"},
        {"type": "com.a", "description": "sent", "schema_id": "Messaging.Message"},
    ]

    assert [each["type"] for each in matching(types, "")] == ["com.a", "com.b", "com.z"]
    assert [each["type"] for each in matching(types, "CALL")] == ["com.z"]
    assert [each["type"] for each in matching(types, "messaging")] == ["com.a", "com.b"]


def test_a_table_that_is_too_wide_becomes_lines_and_cuts_no_sid(capsys: pytest.CaptureFixture[str]) -> None:
    items = [{"sid": f"DG{number}" + "1" * 31, "description": "what it is for " * 9} for number in (1, 2)]

    show_table(items, ("sid", "description"), width=48)
    wide = capsys.readouterr().out
    show_table(items, ("sid", "description"), width=47)
    narrow = capsys.readouterr().out

    assert wide.splitlines()[0].split() == ["sid", "description"]
    assert narrow.splitlines()[0].split() == ["sid", items[0]["sid"]]
    assert all(each["sid"] in text and each["description"] in text for each in items for text in (wide, narrow))


def test_a_hostile_event_does_nothing_where_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    event = {"type": HOSTILE, "id": HOSTILE, "data": {HOSTILE: HOSTILE * 100_000}}
    seen = Seen(event, 1, Verdict.GENUINE, 200, 0)
    listen._show(seen, as_json=False)
    listen._show(seen, as_json=True)
    listen._show(Seen({"type": [HOSTILE], "id": None}, 1, Verdict.WRONG, 403, 0), as_json=False)
    attempt = dict.fromkeys(ATTEMPT, HOSTILE)
    delivery = {**dict.fromkeys(DELIVERY, HOSTILE), "paused": False}
    tail._show(attempt, as_json=False)
    tail._show(attempt, as_json=True)
    events._show({**dict.fromkeys(EVENT, HOSTILE), "deliveries": [delivery], "lag": None}, [attempt], datetime.now(UTC))

    said = capsys.readouterr().out

    assert re.findall(r"[^\n -~é…]", said) == []
    assert "[bold red]x[/]" in said
    assert "SIGNATURE WRONG" in said
    assert max(len(line) for line in said.splitlines() if not line.startswith("{")) < 3000


def test_where_says_that_a_try_is_late_and_gives_no_number_to_what_was_none(capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime(2026, 3, 29, 4, 0, tzinfo=UTC)
    late = {**dict.fromkeys(DELIVERY), "paused": False, "state": "retrying", "next_try_at": "2026-03-29T03:58:00.000Z"}
    soon = {**late, "next_try_at": "2026-03-29T04:00:01.000Z"}
    redriven = {**dict.fromkeys(ATTEMPT), "attempt": 0, "outcome": "redriven", "began_at": "2026-03-29T03:57:00.000Z"}

    events._show({**dict.fromkeys(EVENT), "deliveries": [late, soon], "lag": None}, [redriven], now)

    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "next try was due at 2026-03-29T03:58:00.000Z: its sink is held back, or no worker is running" in lines
    assert "next try at 2026-03-29T04:00:01.000Z" in lines
    assert "2026-03-29T03:57:00.000Z  redriven" in lines


async def test_a_receiver_whose_output_nobody_reads_ends() -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EVENTSTREAMS_")}
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "eventstreams", "listen", "--listen", "127.0.0.1:0", "-o", "json"),
        env=kept,
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writing)
    assert process.stderr is not None
    said = (await process.stderr.readline()).decode()
    [url] = re.findall(r"http://\S+/", said)
    os.close(reading)

    async with aiohttp.ClientSession() as session, session.post(url, json=[{"id": "EZ1"}]):
        ended = await process.wait()

    assert "signatures are not checked" in said
    assert ended == 1
    assert b"Traceback" not in await process.stderr.read()


def test_every_command_on_the_page_is_one() -> None:
    named = set(re.findall(r"^eventstreams (?:--profile \S+ )?(\S+)", PAGE, re.MULTILINE))

    with click.Context(eventstreams) as context:
        assert named <= set(eventstreams.list_commands(context))
    assert {"sinks", "subscriptions", "types", "listen", "events", "tail", "completion"} <= named


@pytest.mark.parametrize(
    ("words", "meant"),
    [("sink list", "sinks"), ("sinks creat x", "create"), ("control exprot -", "export"), ("accounts lst", "list")],
)
def test_a_command_that_is_none_is_answered_with_those_like_it(words: str, meant: str) -> None:
    done = CliRunner().invoke(eventstreams, words.split())

    assert done.exit_code == 2
    assert re.search(rf"No such command '\w+'\. Did you mean .*\b{meant}\b", done.stderr)


def test_a_command_that_is_like_none_is_just_none() -> None:
    done = CliRunner().invoke(eventstreams, ["sinks", "zzzzzz"])

    assert done.stderr.endswith("Error: No such command 'zzzzzz'.\n")


async def test_a_smoke_test_says_that_it_waits() -> None:
    nowhere = Installation(
        api="http://127.0.0.1:1", gateway="http://127.0.0.1:1", account_sid="AC1", auth_token=SecretStr("token")
    )
    said: list[str] = []

    with pytest.raises(SmokeError, match=r"api at http://127\.0\.0\.1:1 does not answer"):
        await run_smoke(
            nowhere,
            SmokeReceiver(nowhere.auth_token),
            events=1,
            timeout_s=0.3,
            say=lambda what, sentence: said.append(f"{what} {sentence}"),
        )

    assert [each.partition(" (")[0] for each in said] == ["api does not answer at http://127.0.0.1:1 yet"]


async def test_a_smoke_test_says_that_the_gateway_took_events_and_went() -> None:
    async def made(request: web.Request) -> web.Response:
        return web.json_response({"sid": "DG1"}, status=201)

    async def deleted(request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def hang_up(request: web.Request) -> web.Response:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    app = web.Application()
    app.add_routes([web.post("/v1/Events", hang_up), web.post("/v1/{resource}", made)])
    app.add_routes([web.delete("/v1/{resource}/{sid}", deleted)])
    opened = open_socket("127.0.0.1:0", setting="test")
    here = f"http://{address_of(opened)}"
    installation = Installation(api=here, gateway=here, account_sid="AC1", auth_token=SecretStr("token"))
    said: list[str] = []

    async with serve_app(app, opened):
        with pytest.raises(SmokeError, match=f"the gateway at {here} was sent events but did not answer: "):
            await run_smoke(
                installation,
                SmokeReceiver(installation.auth_token),
                events=1,
                timeout_s=10,
                say=lambda what, sentence: said.append(f"{what} {sentence}"),
            )

    assert said[-2:] == ["removed /v1/Subscriptions/DG1", "removed /v1/Sinks/DG1"]
