"""``/v1/DeadLetters``: list, fetch. An extension: the reference drops what it cannot deliver."""

from typing import Final

from aiohttp import web

from control_api.http.answers import json_answer, timestamp
from control_api.http.declared import PAGING, Listed, One, Operation, text
from control_api.http.paging import Page, PageQuery, envelope
from control_api.http.sealed_pages import seal, unseal
from control_api.plane import PLANE
from control_api.redrive.dead_letter import DeadLetter, Place
from control_api.redrive.declared import of_names
from control_api.redrive.parameters import FILTERS, Parameters
from control_api.redrive.service import REDRIVES, Cursor
from eventstreams import headers as names
from eventstreams.client import jobs as models
from eventstreams.codec import CodecProblem
from eventstreams.control.sink_tests import TEST_EVENT
from eventstreams.http import ACCOUNT, not_found

PATH: Final = "/v1/DeadLetters"


async def list_all(request: web.Request) -> web.Response:
    """List the account's dead letters, newest first, without their data; with the filters of a redrive."""
    plane, redrives = request.app[PLANE], request.app[REDRIVES]
    query = PageQuery.parse(request.query)
    mark = unseal(request, query)
    cursor = None if mark is None else _cursor(mark)
    given = Parameters.check(request.query.items(), (*FILTERS, *PAGING))
    dead_letters, following = await redrives.page(
        given.selection(request[ACCOUNT].sid, of_dead_letters=True), query.size, cursor
    )
    return json_answer(
        envelope(
            Page(dead_letters, before=None, after=None if following is None else seal(request, _token(following))),
            query,
            key="dead_letters",
            url=plane.url(request, request.path),
            filters=[(name, value) for name, value in given.values if name not in PAGING],
            show=lambda dead_letter: show(request, dead_letter),
        )
    )


async def fetch(request: web.Request) -> web.Response:
    """Answer with one dead letter, including its data."""
    redrives = request.app[REDRIVES]
    place = Place.parse(request.match_info["id"])
    dead_letter = None if place is None else await redrives.dead_letter(request[ACCOUNT].sid, place)
    if dead_letter is None:
        raise not_found(request)
    headers = dict(dead_letter.record.headers)
    dataschema = headers.get(names.DATASCHEMA, b"").decode(errors="replace")
    data = redrives.codec.decode(dataschema, dead_letter.record.value)
    problem = data.detail if isinstance(data, CodecProblem) else None
    if dead_letter.event_type == TEST_EVENT:  # the id in it proves that it has arrived at its destination
        data, problem = {}, "the data of a test event is only for its recipient"
    return json_answer(
        {
            **show(request, dead_letter),
            "event_source": headers.get(names.SOURCE, b"").decode(errors="replace") or None,
            "event_time": headers.get(names.TIME, b"").decode(errors="replace") or None,
            "dataschema": dataschema or None,
            "data": None if isinstance(data, CodecProblem) else data,
            "data_problem": problem,
            "size_bytes": len(dead_letter.record.value),
        }
    )


def show(request: web.Request, dead_letter: DeadLetter) -> dict[str, object]:
    """The dead letter as the API shows it."""
    return {
        "id": str(dead_letter.place),
        "account_sid": dead_letter.account_sid,
        "subscription_sid": dead_letter.subscription_sid,
        "sink_type": dead_letter.place.sink_type,
        "event_id": dead_letter.event_id,
        "event_type": dead_letter.event_type,
        "reason": dead_letter.reason,
        "code": dead_letter.code,
        "detail": dead_letter.detail,
        "attempts": dead_letter.attempts,
        "status": dead_letter.status,
        "answer": dead_letter.answer,
        "date_died": timestamp(dead_letter.died_ms),
        "date_accepted": _time(dead_letter.accepted_ms),
        "date_first_attempt": _time(dead_letter.first_attempt_ms),
        "date_last_attempt": _time(dead_letter.last_attempt_ms),
        "origin": dead_letter.origin,
        "job_sid": dead_letter.job_sid,
        "url": request.app[PLANE].url(request, f"{PATH}/{dead_letter.place}"),
    }


def _time(at_ms: int | None) -> str | None:
    try:
        return None if at_ms is None else timestamp(at_ms)
    except (ValueError, OverflowError, OSError):  # a header may have any number
        return None


def _token(cursor: Cursor) -> str:
    return ",".join(f"{sink_type}:{offset}" for sink_type, offset in sorted(cursor.items()))


def _cursor(text: str) -> Cursor:
    parts = [part.partition(":") for part in text.split(",") if part]
    return {sink_type: int(offset) for sink_type, _, offset in parts}


_GROUP: Final = "Dead letters"
OPERATIONS: Final = (
    Operation(
        name="ListDeadLetter",
        method="GET",
        path=PATH,
        handler=list_all,
        group=_GROUP,
        summary="List dead letters",
        description="Newest first, without their data.",
        query=of_names(FILTERS),
        answer=Listed("dead_letters", models.DeadLetter),
    ),
    Operation(
        name="FetchDeadLetter",
        method="GET",
        path=f"{PATH}/{{id}}",
        handler=fetch,
        group=_GROUP,
        summary="Fetch a dead letter with its data",
        names=(text("id", "Id of a dead letter, such as `webhook.0.1234`."),),
        answer=One(models.DeadLetterWithData),
    ),
)
