"""Matches an event's headers to subscriptions, and plans its copies with their headers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.events import ACCOUNT, encoded
from benchmarks.measure import Figure, best_of
from eventstreams.catalog import Catalog
from eventstreams.codec import Codec
from eventstreams.control.records import SubscribedType, Subscription
from eventstreams.control.snapshot import Change
from eventstreams.headers import TYPE, Headers
from router.planning.filtering import Filtering
from router.planning.matcher import Matcher
from router.planning.plan import Planner, Run

_BY_ATTRIBUTE: Final = "source.startsWith('/')"
_BY_DATA: Final = "!has(data.errorCode) || data.errorCode in [30003, 30004, 30005]"  # true for every event


@dataclass(frozen=True, slots=True)
class _Record:
    """An event, as the router fetches it."""

    headers: Headers
    key: bytes | None
    value: bytes | None
    offset: int = 0
    timestamp: int = 1


def measure(scale: float) -> tuple[str, Sequence[Figure]]:
    others, count = round(100_000 * scale), round(20_000 * scale)
    catalog = Catalog.load()
    types, codec = catalog.types, Codec(catalog, schema_base_url="https://events-schemas.twilio.com")
    records = [_Record(each.headers, each.key, each.value) for each in encoded(count)]
    headers = [(ACCOUNT.encode(), dict(record.headers)[TYPE]) for record in records]

    def matching(copies: int, text: str | None = None) -> Matcher:
        """Create a matcher with many routes, of which ``copies`` match each of our events, with the filter ``text``."""
        matcher = Matcher(default_ttl_ms=14_400_000, topic_of=lambda kind, sid: f"es.sub.{kind}.{sid}")
        for number in range(others):
            matcher.apply(Change(None, _subscription(number, f"AC{number:032x}", list(types)[:3])))
        for number in range(copies):
            matcher.apply(Change(None, _subscription(others + number, ACCOUNT, list(types), text)))
        return matcher

    def match(matcher: Matcher) -> Callable[[], int]:
        def work() -> int:
            for account, event_type in headers:
                matcher.match(account, event_type, 1)
            return count

        return work

    def plan(matcher: Matcher) -> Callable[[], int]:
        filtering = Filtering(codec, tell=lambda _: None)
        planner = Planner(matcher, filtering=filtering, event_types=types, dead_topic="es.dead.router")

        run = Run("es.events", 0, [], is_last=True)

        def work() -> int:
            for record in records:
                planner.plan(run, record)
            return count

        return work

    one, three = matching(1), matching(3)
    return f"{count:,} events, {others:,} subscriptions of other accounts", [
        best_of("matched by one subscription", match(one)),
        best_of("matched by three", match(three)),
        best_of("planned for one subscription", plan(one)),
        best_of("planned for three", plan(three)),
        best_of("  that filter by an attribute", plan(matching(3, _BY_ATTRIBUTE))),
        best_of("  that filter by data", plan(matching(3, _BY_DATA))),
    ]


def _subscription(number: int, account_sid: str, types: Sequence[str], text: str | None = None) -> Subscription:
    return Subscription(
        sid=f"DF{number:032x}",
        account_sid=account_sid,
        sink_sid=f"DG{number:032x}",
        sink_type="webhook",
        description="",
        types=tuple(SubscribedType(type=name, schema_version=1, since_ms=1) for name in types),
        created_ms=1,
        updated_ms=1,
        filter=text,
    )
