"""docs/filters.md: every filter on the page answers as it says, and is refused in the words that it says."""

import re
from pathlib import Path
from typing import Final

import orjson
import pytest

from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.records import SubscribedType
from eventstreams.events import Event
from eventstreams.filters import FilterChecker, FilterError, FilterInput
from eventstreams.headers import event_headers

PAGE: Final = (Path(__file__).parents[2] / "docs" / "filters.md").read_text("utf-8")
TYPE: Final = "com.twilio.messaging.message.failed"
PINNED: Final = SubscribedType(type=TYPE, schema_version=8)


def rows(section: str) -> list[tuple[str, str]]:
    """The first two columns of the table in ``section``."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| `(.*?)` \| (.*?) \|(?:.*\|)?$", text, re.MULTILINE)
    return [(filter_.replace("\\|", "|"), said) for filter_, said in found]


@pytest.fixture(scope="module")
def checker() -> FilterChecker:
    return FilterChecker(Catalog.load())


@pytest.fixture(scope="module")
def reading() -> FilterInput:
    """The event of the page."""
    [json] = re.findall(r"## Examples.*?```json\n(.*?)```", PAGE, re.DOTALL)
    catalog = Catalog.load()
    codec = Codec(catalog, schema_base_url="https://events-schemas.twilio.com")
    schema = catalog.schemas["Messaging.MessageStatus"].version(8)
    assert schema is not None
    event = Event(type=TYPE, source="/m", account_sid="AC1", data=orjson.loads(json))
    headers = dict(event_headers(event, dataschema=codec.dataschema(schema)))
    return FilterInput(headers, codec.encode(schema, event.data), codec)


@pytest.mark.parametrize(("text", "said"), rows("Examples"))
def test_an_example_answers_as_the_page_says(
    checker: FilterChecker, reading: FilterInput, text: str, said: str
) -> None:
    answer = checker.check(text, [PINNED]).ask(reading.headers, lambda: reading.data(8))

    assert answer.verdict == said


@pytest.mark.parametrize(("text", "said"), rows("What is refused"))
def test_what_is_refused_is_refused_in_the_words_of_the_page(checker: FilterChecker, text: str, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        checker.check(text, [PINNED])

    assert str(caught.value) == said


def test_the_page_has_examples() -> None:
    assert len(rows("Examples")) > 10
    assert len(rows("What is refused")) > 5
