"""``eventstreams control``: from one broker to a new one, and never beside a process of the API that writes."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from pydantic import SecretStr

from control_api.backup.document import Entry, read, write
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Account, ApiKey, KeyScope, encode
from eventstreams.control.vault import Purpose, Vault, new_key
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import PREFIX, Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.sinks.registry import load_plugin
from eventstreams.testing.broker import running_broker
from eventstreams.testing.receiver import Receiver
from eventstreams.times import from_ms, now_ms
from eventstreams.topics import Topics
from router.role import route
from sink_workers.role import worker_for
from tests.support import forks
from tests.support.api import Api, call, serving
from tests.support.installation import TOKEN, Installation
from tests.support.topic import PATIENCE_S

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]


def _raise(error: BaseException) -> None:
    raise error


CONTROL = (sys.executable, "-m", "eventstreams", "control")


def environ(settings: Settings, **more: str) -> dict[str, str]:
    assert settings.secret_key is not None
    env = {
        "KAFKA": settings.kafka,
        "TOPIC_PREFIX": settings.topic_prefix,
        "REPLICATION_FACTOR": "1",
        "EVENTS_PARTITIONS": "3",
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        **more,
    }
    return os.environ | {f"{PREFIX}{name}": value for name, value in env.items()}


async def control(
    settings: Settings, *arguments: str, given: bytes | None = None, **more: str
) -> "subprocess.CompletedProcess[bytes]":
    """``eventstreams control`` with ``arguments``, beside whatever runs here."""
    return await asyncio.to_thread(
        subprocess.run,
        [str(forks.program()), "control", *arguments],
        env=environ(settings, **more),
        input=given,
        capture_output=True,
        timeout=120,
        check=False,
    )


@dataclass(frozen=True)
class Exported:
    """A file, and what there was."""

    file: Path
    account_sid: str
    sink_sid: str
    subscription_sid: str


async def exported(settings: Settings, file: Path, receiver: Receiver) -> Exported:
    """What was made through an API, which runs on while it is exported."""
    async with Installation(settings) as installation, serving(settings) as url:
        api = Api(installation, url)
        sink = await api.sink(sink_configuration={"destination": f"{receiver.url}/hook", "method": "POST"})
        wanted = await api.subscription(sink.sid, installation.event().type)
        gone = await api.sink(description="deleted before the export")
        await call(gone.delete)
        done = await control(settings, "export", str(file))
        again = await control(settings, "export", str(file))
        refused = await control(settings, "import", str(file), "--into-existing")

    assert done.returncode == 0, done.stderr
    assert done.stdout == b"exported 1 account, 1 sink, 1 subscription\n"
    assert b"keep EVENTSTREAMS_SECRET_KEY too" in done.stderr
    assert again.returncode == refused.returncode == 1
    assert b"is there already" in again.stderr
    assert b"a process of the API runs, and only one process may write" in refused.stderr
    return Exported(file, installation.account_sid, sink.sid, wanted.sid)


@pytest.mark.proof
async def test_what_was_exported_delivers_on_a_new_broker(settings: Settings, tmp_path: Path) -> None:
    assert settings.secret_key is not None
    anew = new_key()
    both = f"{anew},{settings.secret_key.get_secret_value()}"
    async with Receiver() as receiver:
        was = await exported(settings, tmp_path / "control.jsonl", receiver)
        content = was.file.read_bytes()
        assert was.file.stat().st_mode & 0o077 == 0
        assert TOKEN.encode() not in content
        assert receiver.url.encode() not in content

        with running_broker(tmp_path / "kafka") as broker:
            fresh = settings.model_copy(update={"kafka": broker.bootstrap, "topic_prefix": "other."})
            dry = await control(fresh, "import", str(was.file), "--dry-run", SECRET_KEY=both)
            assert dry.returncode == 0, dry.stderr
            assert f"would add subscription {was.subscription_sid}" in dry.stdout.decode()
            assert await KafkaAdmin(fresh).topics() == {}

            done = await control(fresh, "import", "-", "--reseal", given=content, SECRET_KEY=both)
            assert done.returncode == 0, done.stderr
            assert b"added: 1 account, 1 sink, 1 subscription" in done.stdout
            there = await KafkaAdmin(fresh).topics()
            assert there[Topics(fresh).subscription("webhook", was.subscription_sid)] == 1
            twice = await control(fresh, "import", str(was.file), SECRET_KEY=both)
            assert twice.returncode == 1
            assert b"this installation is not empty, it has 1 account, 1 sink, 1 subscription" in twice.stderr

            await delivers(fresh.model_copy(update={"secret_key": SecretStr(anew)}), was, receiver)


async def delivers(settings: Settings, was: Exported, receiver: Receiver) -> None:
    """With the new key alone, the account of the file proves itself, and its subscription gets an event."""
    async with Installation(settings) as installation, serving(settings) as url:
        installation.account_sid = was.account_sid
        listed = await call(Api(installation, url).client.events.v1.sinks.list)
        assert [each.sid for each in listed] == [was.sink_sid]
        await installation.start(route)
        await installation.start(worker_for(load_plugin("webhook")))
        await installation.publish([installation.event(7)])
        await receiver.wait_for(lambda: "EZ7" in receiver.accepted)


async def test_into_an_existing_installation_goes_what_is_missing_and_older(settings: Settings, tmp_path: Path) -> None:
    file, later = tmp_path / "control.jsonl", tmp_path / "later.jsonl"
    async with Installation(settings) as installation:
        sink = await installation.add_sink("https://hooks.example.com/a")
        lost = await installation.subscribe(sink)
        taken = await control(settings, "export", str(file))
        assert taken.returncode == 0, taken.stderr
        await installation.remove(lost.sid)
        await installation.admin.delete([installation.topic_of(lost)])
        added = await installation.add_sink("https://hooks.example.com/b")

        done = await control(settings, "import", str(file), "--into-existing")
        taken = await control(settings, "export", "-")

        assert done.returncode == 0, done.stderr
        assert b"added: 1 subscription; replaced: nothing; already up to date: 2 of 3" in done.stdout
        assert taken.returncode == 0, taken.stderr
        held = read(taken.stdout, name=str(later), seals=Vault(settings))
        assert {each.sid for each in held.resources} == {installation.account_sid, sink.sid, added.sid, lost.sid}
        async with asyncio.timeout(PATIENCE_S):  # a busy broker tells of a new topic later
            while installation.topic_of(lost) not in await installation.admin.topics():
                await asyncio.sleep(0.1)
        async with ControlFeed(settings, on_crash=_raise) as feed:
            assert feed.snapshot.subscriptions[lost.sid].types[0].since_ms is not None


async def test_an_import_that_is_killed_between_two_writes_is_finished_by_another(
    settings: Settings, tmp_path: Path
) -> None:
    account_sid, file = new_sid(SidKind.ACCOUNT), tmp_path / "control.jsonl"
    owned: list[Account | ApiKey] = [
        account_of(account_sid, settings),
        *(key_of(account_sid, number) for number in range(2_500)),
    ]
    entries = [Entry(each.sid, 1, orjson.loads(encode(each))) for each in owned]
    file.write_bytes(write(entries, taken_at=from_ms(now_ms()), prefix="es.", seals=Vault(settings)))

    killed = await asyncio.to_thread(
        kill_after, "500 of 2501 records written", [*CONTROL, "import", str(file)], settings
    )
    refused = await control(settings, "import", str(file))
    done = await control(settings, "import", str(file), "--into-existing")
    again = await control(settings, "import", str(file), "--into-existing")

    assert killed == -signal.SIGKILL
    assert b"this installation is not empty" in refused.stderr
    assert done.returncode == 0, done.stderr
    assert again.stdout == b"added: nothing; replaced: nothing; already up to date: 2501 of 2501\n"
    async with ControlFeed(settings, on_crash=_raise) as feed:
        assert set(feed.snapshot.keys) == {each.sid for each in owned[1:]}


def account_of(sid: str, settings: Settings) -> Account:
    token = Vault(settings).lock(TOKEN, Purpose.AUTH_TOKEN, sid)
    return Account(sid=sid, friendly_name="of the file", auth_token=token, created_ms=1, updated_ms=1)


def key_of(account_sid: str, number: int) -> ApiKey:
    return ApiKey(
        sid=new_sid(SidKind.API_KEY),
        account_sid=account_sid,
        friendly_name=f"key {number}",
        scope=KeyScope.READ,
        secret_hash="0" * 64,
        created_ms=1,
        updated_ms=1,
    )


def kill_after(words: str, command: Sequence[str], settings: Settings) -> int:
    """Run ``command``, and kill it once it has said ``words``; its exit code."""
    with subprocess.Popen(command, env=environ(settings), stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = b""
        for line in process.stderr:
            said += line
            if words.encode() in line:
                break
        else:
            raise AssertionError(said.decode())
        process.kill()
        return process.wait()


async def test_a_kafka_without_a_control_topic_and_a_file_that_is_none_are_sentences(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "control.jsonl"

    export = await control(settings, "export", str(file))
    missing = await control(settings, "import", str(file))
    foreign = await control(settings, "import", "-", given=b"hello\n")

    assert export.returncode == missing.returncode == foreign.returncode == 1
    assert f"there is no topic {Topics(settings).control}" in export.stderr.decode()
    assert not file.exists()
    assert b"cannot be read: No such file or directory" in missing.stderr
    assert foreign.stderr.startswith(b"eventstreams: - is not a backup")
