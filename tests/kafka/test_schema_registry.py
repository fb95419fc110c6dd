"""Our schemas at a real schema registry, and events read by them, by somebody who has nothing of ours."""

import asyncio
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from eventstreams.catalog import Catalog, Schema
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.schema_registry import Refused, Registered, SchemaRegistry, register
from eventstreams.settings import Settings
from eventstreams.topics import Topics
from producers.outcomes import Accepted
from producers.publisher import EventPublisher
from tests.support.api import serving
from tests.support.events import message_event
from tests.support.page import blocks_of

pytestmark = pytest.mark.kafka

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reading-from-kafka.md"
ACCOUNT: Final = "AC" + "1" * 32


def own(schema: Schema, name: str) -> Schema:
    """``schema`` under a name that no other test uses."""
    return Schema(name, schema.product, schema.title, schema.sinks, schema.versions)


async def asked(registry: str, path: str) -> object:
    async with aiohttp.ClientSession() as session, session.get(f"{registry}{path}") as answer:
        return json.loads(await answer.text())


async def command(settings: Settings | None, *arguments: str, registry: str) -> tuple[int, str, str]:
    """Exit code, output and complaints of a Python program or ``-m eventstreams …``."""
    ours = {} if settings is None else {"EVENTSTREAMS_KAFKA": settings.kafka}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=os.environ | ours | {"EVENTSTREAMS_SCHEMA_REGISTRY_URL": registry},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, complaints = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), complaints.decode()


async def test_the_whole_catalogue_is_registered_with_its_own_version_numbers_and_again_nothing_changes(
    schema_registry: str,
) -> None:
    schemas = list(Catalog.load().schemas.values())
    [typed] = [each.text for each in blocks_of(PAGE) if "catalog register" in each.text]
    dry, wanted = (["-m", *shlex.split(line, comments=True)] for line in typed.splitlines())

    would = await command(None, *dry, registry=schema_registry)
    first = await command(None, *wanted, registry=schema_registry)
    again = await command(None, *wanted, registry=schema_registry)

    assert would[0] == first[0] == 0, (would, first)
    versions = sum(len(schema.versions) for schema in schemas)
    assert first[1].splitlines()[-1].startswith(f"{len(schemas)} schemas: ")
    assert again[:2] == (0, f"{len(schemas)} schemas: 0 versions registered, 0 schemas refused\n"), versions
    for schema in schemas:
        assert await asked(schema_registry, f"/subjects/{schema.id}/versions") == [
            version.version for version in schema.versions
        ]
    assert await asked(schema_registry, "/config/Messaging.MessageStatus") == {"compatibilityLevel": "FULL_TRANSITIVE"}


async def test_a_dry_run_registers_nothing(schema_registry: str) -> None:
    schema = own(Catalog.load().schemas["Messaging.MessageStatus"], "Test.DryRun")

    async with SchemaRegistry(schema_registry) as registry:
        [outcome] = await register(registry, [schema], dry_run=True)
        found = await registry.versions("Test.DryRun")

    assert outcome == Registered("Test.DryRun", [1, 2, 3, 4, 5, 6, 7, 8])
    assert found == []


async def test_what_was_registered_in_part_is_completed(schema_registry: str) -> None:
    whole = own(Catalog.load().schemas["Messaging.MessageStatus"], "Test.Part")
    part = Schema(whole.id, whole.product, whole.title, whole.sinks, whole.versions[:5])

    async with SchemaRegistry(schema_registry) as registry:
        first = await register(registry, [part])
        second = await register(registry, [whole])
        older = await register(registry, [part])  # after a return to an older release

    assert first == [Registered("Test.Part", [1, 2, 3, 4, 5])]
    assert second == [Registered("Test.Part", [6, 7, 8])]
    assert older == [Registered("Test.Part", [])]


async def test_a_subject_that_somebody_else_uses_is_left_alone_and_does_not_stop_the_others(
    schema_registry: str,
) -> None:
    catalog = Catalog.load()
    taken, free = (own(catalog.schemas["Iam.IPBlocked"], name) for name in ("Test.Taken", "Test.Free"))
    theirs = json.dumps({"type": "record", "name": "Invoice", "fields": [{"name": "number", "type": "string"}]})

    async with SchemaRegistry(schema_registry) as registry:
        await registry.add("Test.Taken", theirs)
        outcomes = await register(registry, [taken, free])
        found = await registry.versions("Test.Taken")

    assert outcomes == [
        Refused(
            "Test.Taken", "version 1 in the registry is a different schema: does the subject belong to someone else?"
        ),
        Registered("Test.Free", [1, 2]),
    ]
    assert found == [1]


async def test_what_the_registry_refuses_is_told_in_its_words(schema_registry: str, tmp_path: Path) -> None:
    schema = Catalog.load().schemas["Iam.IPBlocked"]
    bad = tmp_path / "2.avsc"
    bad.write_text(json.dumps({"type": "record", "name": "IPBlocked", "fields": [{"name": "other", "type": "string"}]}))
    broken = Schema(
        "Test.Broken",
        "iam",
        "",
        (),
        [schema.versions[0], type(schema.versions[1])("Test.Broken", 2, schema.versions[1].released, "", bad)],
    )

    async with SchemaRegistry(schema_registry) as registry:
        [outcome] = await register(registry, [broken])

    assert isinstance(outcome, Refused)
    assert outcome.reason.startswith("the schema registry answers 409 (")


async def test_events_are_read_from_outside_with_the_schemas_of_the_registry(
    settings: Settings, schema_registry: str
) -> None:
    topics = Topics(settings)
    await KafkaAdmin(settings).ensure(topics.base_specs())
    events = [message_event(ACCOUNT, number) for number in range(5)]
    async with EventPublisher(settings, Catalog.load()) as publisher:
        assert all(isinstance(each, Accepted) for each in await publisher.publish_many(events))
    await command(
        settings, "-m", "eventstreams", "catalog", "register", "Messaging.MessageStatus", registry=schema_registry
    )

    [typed] = [each.text for each in blocks_of(PAGE) if "consumer.py" in each.text]
    for place, here in {"127.0.0.1:9092": settings.kafka, "http://127.0.0.1:8081": schema_registry}.items():
        typed = typed.replace(place, here)
    code, out, complaints = await command(
        settings,
        *shlex.split(typed.removeprefix("python ")),
        *("--topic", topics.events, "--group", f"{topics.events}-outside", "--count", "5"),
        registry=schema_registry,
    )

    assert code == 0, complaints
    read = {each["id"]: each["data"] for each in map(json.loads, out.splitlines())}
    assert set(read) == {event.id for event in events}
    for event in events:
        assert {name: value for name, value in read[event.id].items() if value is not None} == event.data


async def test_the_api_registers_them_when_it_starts_and_one_refused_schema_stops_nothing(
    settings: Settings, schema_registry: str, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    (folder / "Test.Api").mkdir(parents=True)
    (folder / "catalog.yaml").write_text(
        "products: {test: Test}\nschemas:\n  Test.Api:\n    product: test\n    title: Test\n"
        "    versions: {1: {released: 2026-01-01, changes: First version.}}\n    types: {com.acme.test: A test.}\n"
    )
    (folder / "Test.Api" / "1.avsc").write_text(
        json.dumps(
            {"type": "record", "name": "T", "doc": "T.", "fields": [{"name": "a", "type": "string", "doc": "A."}]}
        )
    )
    told = settings.model_copy(update={"schema_registry_url": schema_registry, "catalog_dirs": (folder,)})

    async with serving(told), SchemaRegistry(schema_registry) as registry, asyncio.timeout(100):
        while await registry.versions("Test.Api") != [1]:
            await asyncio.sleep(0.1)


async def test_the_api_is_ready_whether_or_not_its_registry_answers(settings: Settings) -> None:
    connections: list[asyncio.StreamWriter] = []

    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)

    hanging = await asyncio.start_server(never, "127.0.0.1", 0)
    async with hanging:
        for port in (9, hanging.sockets[0].getsockname()[1]):
            told = settings.model_copy(update={"schema_registry_url": f"http://127.0.0.1:{port}"})
            async with asyncio.timeout(100), serving(told):
                pass  # it is ready, and then it ends although the registry has not answered
        for writer in connections:
            writer.close()
            await writer.wait_closed()
