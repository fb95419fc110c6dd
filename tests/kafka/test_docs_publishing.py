"""docs/publishing.md: its Python runs as it stands, and its events are accepted."""

import asyncio
import re
import sys
from pathlib import Path
from typing import Final

import pytest

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import PREFIX, Settings
from eventstreams.topics import Topics
from tests.support.installation import header
from tests.support.topic import read_topic

pytestmark = pytest.mark.kafka

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "publishing.md"


async def test_the_python_of_the_page_publishes_what_can_be_read(settings: Settings) -> None:
    one = settings.model_copy(update={"events_partitions": 1})
    topics = Topics(one)
    await KafkaAdmin(one).ensure(topics.base_specs())
    page = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    program = page.replace("127.0.0.1:9092", settings.kafka).replace("es.events", topics.events)

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        cwd=ROOT,
        env={f"{PREFIX}KAFKA": settings.kafka, f"{PREFIX}TOPIC_PREFIX": settings.topic_prefix},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()

    assert process.returncode == 0
    assert len(out.splitlines()) == 3
    codec = Codec(Catalog.load(), schema_base_url=settings.schema_base_url)
    for record in await read_topic(one, topics.events, 3):
        assert isinstance(codec.decode(header(record, "ce_dataschema"), record.value or b""), dict)
