"""Publishing lines: what each line must be, and what a file that was printed for people to read needs."""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import cast

import pytest

from eventstreams.catalog import Catalog
from producers.cloudevents import CloudEventParser
from producers.lines import Line
from producers.outcomes import Accepted, Invalid, PublishOutcome
from producers.product_event import Publishable
from producers.publish_lines import publish_lines
from producers.publisher import EventPublisher
from tests.support.events import message_event

ACCOUNT = "AC" + "1" * 32


class Taking:
    """Takes every event."""

    async def publish_many(self, events: Iterable[Publishable]) -> list[PublishOutcome]:
        return [Accepted("EZ1", 0, 0, 0) for _ in events]


async def published(text: str) -> Sequence[PublishOutcome]:
    async def lines() -> AsyncIterator[Sequence[Line]]:
        yield [Line(number, each.encode()) for number, each in enumerate(text.splitlines(), 1)]

    publisher, parser = cast(EventPublisher, Taking()), CloudEventParser(Catalog.load())
    found = publish_lines(lines(), publisher, parser, account_sid=ACCOUNT)
    return [each.outcome async for batch in found for each in batch]


def as_json(*, indent: int | None = None) -> str:
    event = message_event(ACCOUNT, 1)
    told = {"specversion": "1.0", "type": event.type, "source": event.source, "data": dict(event.data)}
    return json.dumps(told, indent=indent)


async def test_an_event_on_a_line_is_published_and_blank_lines_are_passed_over() -> None:
    assert await published(f"\n{as_json()}\n  \n{as_json()}") == [Accepted("EZ1", 0, 0, 0)] * 2


@pytest.mark.parametrize(
    "whole",
    [lambda text: text, lambda text: f"[\n{text}\n]", lambda text: f"[{text}]"],
    ids=["one", "a list", "a list that begins on its line"],
)
async def test_an_event_over_several_lines_is_told_how_to_be_on_one(whole: Callable[[str], str]) -> None:
    first, *_ = await published(whole(as_json(indent=2)))

    assert first == Invalid("$", "is not a whole event, as each line must be: `jq -c .` prints one per line")


async def test_a_list_of_events_on_one_line_is_told_how_to_be_lines() -> None:
    [outcome] = await published(f"[{as_json()}, {as_json()}]")

    assert outcome == Invalid("$", "must be a JSON object, not a list: `jq -c '.[]'` prints its events, one per line")
