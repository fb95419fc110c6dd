"""Every operation, driven by Twilio's own client for Node: a Node of the tests' own runs it."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from eventstreams.settings import Settings
from tests.support.api import Api, serving
from tests.support.installation import DELIVERED, SENT, TOKEN, Installation
from tests.support.npm import INSTALL, NODE
from tests.support.up import clean_environ

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]  # the first run fetches 5 MB from a registry

_PROJECT = Path(__file__).parents[1] / "node"
_FETCH_S, _DRIVE_S = 240.0, 120.0


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    async with Installation(settings) as installation, serving(settings) as url:
        yield Api(installation, url)


async def run_node(*arguments: str, folder: Path, timeout_s: float) -> bytes:
    """What Node says. It does as little as it can beside: no scripts of packages, no proxies to loopback."""
    process = await asyncio.create_subprocess_exec(
        str(NODE),
        *arguments,
        cwd=folder,
        env={**clean_environ(), "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()
    return out


async def test_twilios_client_for_node_drives_every_operation(api: Api, tmp_path: Path) -> None:
    for name in ("package.json", "package-lock.json", "drive.js"):
        shutil.copy(_PROJECT / name, tmp_path)
    await run_node(*INSTALL, folder=tmp_path, timeout_s=_FETCH_S)

    said = await run_node("drive.js", api.url, api.installation.account_sid, TOKEN, folder=tmp_path, timeout_s=_DRIVE_S)

    found: dict[str, Any] = orjson.loads(said)
    catalog = api.installation.catalog
    names = [each.name for each in catalog.types.values() if not each.internal]
    latest = catalog.schemas["Messaging.MessageStatus"].latest.version
    assert found["types"] == names
    assert found["everything"] == len(names)  # it asked for 5,000 in one page
    assert found["type"] == "Messaging.MessageStatus"
    assert (found["schema"], found["versions"]) == (latest, list(range(1, latest + 1)))
    assert found["version"] == f"{api.url}/schemas/Messaging.MessageStatus/2"
    assert (found["renamed"], found["described"]) == ("rénommé", "other")
    assert found["sinks"] == [found["sinkSid"]]
    assert found["sink"] is True
    assert (found["test"], found["validate"]) == ("submitted", "valid")
    assert found["subscriptions"] == [found["subscriptionSid"]]
    assert found["fetched"] == found["sinkSid"]
    assert found["added"] == ["com.twilio.messaging.message.failed", 3]
    assert (found["updated"], found["event"], found["removed"]) == (4, 4, True)
    assert found["events"] == [[DELIVERED, latest], [SENT, 7]]
    assert (found["inUse"]["status"], found["inUse"]["code"]) == (400, 91007)
    assert (found["unknown"]["status"], found["unknown"]["code"]) == (400, 91104)
    assert found["gone"] == [True, True]
