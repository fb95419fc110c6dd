"""Publishes CloudEvents of JSON lines; a bad line does not stop the others."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass

from eventstreams.events import Event
from producers.cloudevents import CloudEventParser
from producers.lines import MAX_LINE_BYTES, Line
from producers.outcomes import Invalid, PublishOutcome
from producers.publisher import EventPublisher
from producers.strict_json import parse_json


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What became of the event in line ``number``."""

    number: int
    outcome: PublishOutcome


async def publish_lines(
    batches: AsyncIterator[Sequence[Line]],
    publisher: EventPublisher,
    parser: CloudEventParser,
    *,
    account_sid: str | None,
) -> AsyncGenerator[list[LineOutcome], None]:
    """What became of each line that is not blank, in order; one batch is published at a time.

    Args:
        batches: The lines.
        publisher: Takes the events.
        parser: Reads them.
        account_sid: Whose events they are that do not say it.

    Raises:
        FatalProducerError: the publisher can never send again; nothing is known of the last batch.
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
    return value if isinstance(value, Invalid) else parser.parse(value, account_sid=account_sid)
