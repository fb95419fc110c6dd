"""Events for tests of plugins: all different, and full of data that breaks a careless encoder."""

from collections.abc import Mapping, Sequence
from typing import Final

from eventstreams.sinks import OutboundEvent

CANARY: Final = "words-of-a-subscribers-customer"
"""Part of the data of each event: wherever it shows up, an event's data has leaked."""

_DATA: Final[Sequence[Mapping[str, object]]] = (
    {"text": "plain"},
    {"text": 'Grüße, 世界, \U0001f600, "quoted", back\\slash, </script>'},
    {"text": "line\r\nline\n.\n\ttab\x00nul\u2028separator"},
    {"number": 9_007_199_254_740_991, "price": -0.1, "none": 0, "yes": True, "no": False, "nothing": None},
    {"list": [1, "two", [], {}, {"deep": {"er": [True]}}], "": "no name", "a.b": "dotted"},
    {"long": "x" * 2000},
)


def outbound_event(number: int, *, size: int = 0, attempt: int = 1) -> OutboundEvent:
    """The event with the id ``EZ<number>``, always the same for a number. ``size``: the least bytes of its JSON."""
    data = {"canary": CANARY, "number": number, **_DATA[number % len(_DATA)]}
    event = _event(number, data, attempt)
    missing = size - len(event.json())
    return event if missing <= 0 else _event(number, {**data, "filler": "x" * missing}, attempt)


def _event(number: int, data: Mapping[str, object], attempt: int) -> OutboundEvent:
    return OutboundEvent(
        id=f"EZ{number:032x}",
        type="com.acme.thing.made",
        source=f"/things/{number}",
        time="2026-03-29T04:01:02.345Z",
        dataschema="https://schemas.example.com/Acme.Thing/1",
        account_sid="AC" + "0" * 32,
        data=data,
        subject=None if number % 2 else f"thing {number}",
        partition_key=f"/things/{number}",
        attempt=attempt,
    )
