"""Follows the attempts in the delivery log: finds what is new since the last look. Pure, except for the requests.

The list is sorted by when attempts began, newest first, so an attempt that took long appears below others that were
there before it. So each look reads from the newest one down until a whole page has nothing new; an attempt that appears
further down is missed.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from control_api.commands.remote import Answer, Fields
from eventstreams.times import rfc3339_ms

PAGE: Final = 200
MOST_PAGES: Final = 5
"""In one look: nobody reads more than a thousand lines at a time, and the API has other clients."""
_KNOWN: Final = 20 * PAGE * MOST_PAGES  # attempts that are remembered: those of twenty full looks
_LATE: Final = timedelta(seconds=60)
"""How long after its start an attempt is still looked for: it takes seconds, and the log may lag."""

_NAME: Final = ("event_id", "subscription_sid", "attempt", "outcome", "began_at", "origin")

Get = Callable[[Fields], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Look:
    """The new attempts of one look, oldest first. ``sampled``: there were more than it could read."""

    attempts: Sequence[Answer]
    sampled: bool


class Following:
    """Looks repeatedly, with the same filters."""

    def __init__(self, get: Get, filters: Fields) -> None:
        self._get = get
        self._filters = filters
        self._known: OrderedDict[tuple[object, ...], None] = OrderedDict()
        self._newest: datetime | None = None

    async def look(self) -> Look:
        """Return what is new. Raises ``ApiError``."""
        found: list[Answer] = []
        fields = [*self._filters, ("PageSize", str(PAGE)), *self._since()]
        for _ in range(MOST_PAGES):
            told = await self._get(fields)
            page, meta = told["attempts"], told["meta"]
            assert isinstance(page, list)
            assert isinstance(meta, dict)
            new = [each for each in page if self._is_new(each)]
            found += new
            following = meta["next_page_url"]
            if following is None or not new:
                return Look(self._in_order(found), sampled=False)
            fields = parse_qsl(urlsplit(str(following)).query)
        return Look(self._in_order(found), sampled=True)

    def _since(self) -> Fields:
        if self._newest is None or any(name == "After" for name, _ in self._filters):
            return ()
        return [("After", rfc3339_ms(self._newest - _LATE))]

    def _is_new(self, attempt: Answer) -> bool:
        name = tuple(attempt[each] for each in _NAME)
        if name in self._known:
            return False
        self._known[name] = None
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        return True

    def _in_order(self, found: Sequence[Answer]) -> Sequence[Answer]:
        began = [datetime.fromisoformat(str(each["began_at"])) for each in found]
        self._newest = max([*began, *([] if self._newest is None else [self._newest])], default=None)
        return sorted(found, key=lambda each: str(each["began_at"]))
