"""``/operator/v1/RouterDeadLetters``: events that the router could not read, and so could not match."""

from collections.abc import Collection
from functools import partial
from typing import Final

from aiohttp import web

from control_api.accounts.operator import START
from control_api.http.answers import json_answer, timestamp
from control_api.http.declared import PAGING, Caller, Listed, Operation
from control_api.http.paging import Page, PageQuery, envelope
from control_api.http.sealed_pages import seal, unseal
from control_api.plane import PLANE
from control_api.redrive.dead_letter import DeadLetter
from control_api.redrive.declared import of_names
from control_api.redrive.parameters import Parameters
from control_api.redrive.service import REDRIVES
from eventstreams.client import jobs as models
from eventstreams.kafka.records import Record

PATH: Final = f"{START}v1/RouterDeadLetters"
_FILTERS: Final = ("Reason", "After", "Before")
_ROUTER: Final = "router"  # in place of a sink type
_MOST_HEADERS: Final = 30  # an event has ten; a record may have 1 MiB of them, and a page a thousand records
_MOST_CHARACTERS: Final = 256


async def list_all(request: web.Request) -> web.Response:
    """List them, newest first, with the start of their headers and without their values."""
    query = PageQuery.parse(request.query)
    given = Parameters.check(request.query.items(), (*_FILTERS, *PAGING))
    wanted = given.selection("", of_dead_letters=True)
    mark = unseal(request, query)
    found, following = await request.app[REDRIVES].unrouted(
        partial(show, wanted.reasons),
        query.size,
        None if mark is None else int(mark),
        after_ms=wanted.after_ms,
        before_ms=wanted.before_ms,
    )
    return json_answer(
        envelope(
            Page(found, before=None, after=None if following is None else seal(request, str(following))),
            query,
            key="router_dead_letters",
            url=request.app[PLANE].url(request, request.path),
            filters=[(name, value) for name, value in given.values if name not in PAGING],
            show=lambda each: each,
        )
    )


def show(reasons: Collection[str], record: Record) -> dict[str, object] | None:
    """``record`` as the API shows it; None if its reason is not in ``reasons``. Empty ``reasons`` mean any."""
    dead_letter = DeadLetter.read(record, _ROUTER)
    if reasons and (dead_letter.reason or "") not in reasons:
        return None
    return {
        "id": str(dead_letter.place),
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "origin": _short(dead_letter.origin),
        "reason": _short(dead_letter.reason),
        "code": dead_letter.code,
        "detail": _short(dead_letter.detail),
        "date_died": timestamp(dead_letter.died_ms),
        "account_sid": _short(dead_letter.account_sid),
        "event_id": _short(dead_letter.event_id),
        "event_type": _short(dead_letter.event_type),
        "headers": [
            {"name": _short(name), "value": _short(value.decode(errors="replace"))}
            for name, value in record.headers[:_MOST_HEADERS]
        ],
        "more_headers": max(len(record.headers) - _MOST_HEADERS, 0),
        "size_bytes": len(record.value),
    }


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


OPERATIONS: Final = (
    Operation(
        name="OperatorListRouterDeadLetter",
        method="GET",
        path=PATH,
        handler=list_all,
        group="Operator",
        summary="List events that the router could not read",
        description="Newest first: where, why and when, and the first of their headers. They do not belong to any "
        "subscription.",
        query=of_names(_FILTERS),
        answer=Listed("router_dead_letters", models.RouterDeadLetter),
        caller=Caller.OPERATOR,
    ),
)
