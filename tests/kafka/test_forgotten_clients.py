"""What has ended in a test's process costs the tests after it nothing."""

from contextlib import suppress
from pathlib import Path

import pytest

from eventstreams.settings import Settings
from tests.conftest import forget_what_has_ended
from tests.support.api import serving, until_ready
from tests.support.installation import Installation
from tests.support.topic import eventually

pytestmark = pytest.mark.kafka


def kafka_clients() -> int:
    """How many there are in this process: each has one thread of that name."""
    names = []
    for each in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it has ended meanwhile
            names.append((each / "comm").read_text().strip())
    return names.count("rdk:main")


async def test_no_kafka_client_of_an_api_that_has_ended_goes_on(settings: Settings) -> None:
    forget_what_has_ended()
    before = kafka_clients()
    async with Installation(settings), serving(settings) as url:
        await until_ready(url)
        assert kafka_clients() > before
    forget_what_has_ended()

    await eventually(lambda: kafka_clients() <= before)
