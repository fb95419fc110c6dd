"""Publishes CloudEvents from JSON lines; an invalid line does not stop the others."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from eventstreams.events import Event
from producers.cloudevents import CloudEventParser
from producers.lines import MAX_LINE_BYTES, Line
from producers.outcomes import Invalid, PublishOutcome
from producers.publisher import EventPublisher
from producers.strict_json import parse_json

_BEGINNINGS: Final = frozenset({b"{", b"[", b"[{"})  # the first line of a file that was printed for people to read
_HINT: Final = "`jq -c .` prints one per line"
_HINT_FOR_LISTS: Final = "`jq -c '.[]'` prints its events, one per line"


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """The outcome for the event in line ``number``."""

    number: int
    outcome: PublishOutcome


async def publish_lines(
    batches: AsyncIterator[Sequence[Line]],
    publisher: EventPublisher,
    parser: CloudEventParser,
    *,
    account_sid: str | None,
) -> AsyncGenerator[list[LineOutcome], None]:
    """Publish one batch at a time; yields the outcome for each line that is not blank, in order.

    Args:
        batches: The lines.
        publisher: Publishes the events.
        parser: Parses them.
        account_sid: The account of events that name none.

    Raises:
        FatalProducerError: the publisher can never send again; the outcome of the last batch is unknown.
    """
    async for batch in batches:
        lines = [line for line in batch if line.text is None or line.text.strip()]
        parsed = [_parse(line, parser, account_sid) for line in lines]
        published = iter(await publisher.publish_many(each for each in parsed if isinstance(each, Event)))
        yield [
            LineOutcome(line.number, each if isinstance(each, Invalid) else next(published))
            for line, each in zip(lines, parsed, strict=True)
        ]


def _parse(line: Line, parser: CloudEventParser, account_sid: str | None) -> Event | Invalid:
    if line.text is None:
        return Invalid("$", f"is longer than {MAX_LINE_BYTES} bytes")
    value = parse_json(line.text)
    if isinstance(value, Invalid):
        is_begun = line.text.strip() in _BEGINNINGS
        return Invalid("$", f"is not a whole event, as each line must be: {_HINT}") if is_begun else value
    if isinstance(value, list):
        return Invalid("$", f"must be a JSON object, not a list: {_HINT_FOR_LISTS}")
    return parser.parse(value, account_sid=account_sid)
