"""Writes ``docs/errors.md`` from the enums of codes and reasons and from what the operations declare."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from control_api.http.codes import Code
from control_api.openapi.document import refusals
from control_api.operations import ALL
from eventstreams import errors
from eventstreams.errors import EventStreamsError
from eventstreams.http import ErrorCode
from eventstreams.http.errors import CODES
from eventstreams.reasons import DeadReason, RetryReason
from sink_workers.notices.notice import WHAT_A_SINK_DID

_HEAD: Final = """\
<!-- Written by `make docs` from the code: change it there. -->
# Errors

The API and the gateway refuse requests with JSON of this form. `message` says what was wrong and what would be right:

<!-- checked as: ErrorBody -->
```json
{"code": 91007, "message": "…", "more_info": "https://www.twilio.com/docs/errors/91007", "status": 400}
```

The codes are those of Twilio's Event Streams. `details` is present if there is more to say, such as the places
in a batch. For the refusals of each operation, see [Operations](operations.md).
"""


def errors_page() -> str:
    """The page of error codes, of reasons of failed deliveries with their codes, and of exit codes."""
    return "\n".join([*_refusals(), *_deliveries(), *_exits()])


def _refusals() -> Iterator[str]:
    statuses = _statuses()
    yield from (_HEAD, "## Of a request", "", "| code | status | it means |", "|---|---|---|")
    for each in (*ErrorCode, *Code):
        yield f"| `{each:d}` | {', '.join(map(str, statuses[each]))} | {each.meaning} |"


def _statuses() -> Mapping[int, list[int]]:
    """The HTTP statuses of each code: those for which it is the general code, and those that operations declare."""
    found: dict[int, set[int]] = defaultdict(set)
    for status, code in CODES.items():
        found[code].add(int(status))
    for operation in ALL:
        for status, codes in refusals(operation).items():
            for code in codes:
                found[code].add(int(status))
    return {code: sorted(statuses) for code, statuses in found.items()}


def _deliveries() -> Iterator[str]:
    yield from ("", "## Of a delivery", "")
    yield "These are in the [delivery log](delivery-log.md), in [failure notices](failure-notices.md) and in dead"
    yield "letters. An attempt that failed for one of these reasons is repeated until the event's deadline:"
    yield from ("", "| reason | code | the sink |", "|---|---|---|")
    for retried in RetryReason:
        yield f"| `{retried}` | `{retried.code}` | {WHAT_A_SINK_DID[retried]} |"
    yield from ("", "An event that ended for one of these reasons is a dead letter: [meanings and")
    yield "remedies](dead-letters.md#why-events-die). `expired` and `attempts_used_up` carry the code of the last"
    yield "attempt, if there was one."
    yield from ("", "| reason | code |", "|---|---|")
    for ended in DeadReason:
        yield f"| `{ended}` | `{ended.code}` |"


def _exits() -> Iterator[str]:
    yield from ("", "## Of a process", "")
    yield "A process or command that cannot continue prints one sentence and exits with one of these codes:"
    yield from ("", "| exit code | meaning |", "|---|---|", "| 1 | it was refused, or none of those below |")
    for each in vars(errors).values():
        if isinstance(each, type) and issubclass(each, EventStreamsError) and each.exit_code > 1:
            yield f"| {each.exit_code} | {str(each.__doc__).replace('``', '`')} |"
    yield ""
