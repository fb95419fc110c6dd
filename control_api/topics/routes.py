"""``/operator/v1/Topics``: lists the installation's topics with their owners, and removes orphaned ones."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web

from control_api.http.answers import json_answer
from control_api.http.declared import Caller, Listed, Operation, choice, flag, refused_with, text
from control_api.http.forms import boolean
from control_api.http.paging import PageQuery, envelope, paginate
from control_api.plane import PLANE
from control_api.topics.orphans import OwnTopic
from control_api.topics.reconciler import RECONCILER
from eventstreams.client.topics import Topic
from eventstreams.http import ErrorCode, RefusedError
from eventstreams.topics import TopicKind

PATH: Final = "/operator/v1/Topics"


async def list_all(request: web.Request) -> web.Response:
    """List topics by name; filters ``Kind`` and ``Orphaned``. For orphans, the number of records is shown."""
    query, reconciler = PageQuery.parse(request.query), request.app[RECONCILER]
    filters = {name: request.query[name] for name in ("Kind", "Orphaned") if name in request.query}
    kind = _kind(filters["Kind"]) if "Kind" in filters else None
    orphaned = boolean("Orphaned", filters["Orphaned"]) if "Orphaned" in filters else None
    found: Sequence[OwnTopic] = [
        each
        for each in await reconciler.topics()
        if kind in {None, each.told.kind} and orphaned in {None, each.orphaned}
    ]
    page = paginate(found, lambda each: (0, each.name), query)
    held = await reconciler.records([each.name for each in page.items if each.orphaned])
    return json_answer(
        envelope(
            page,
            query,
            key="topics",
            url=request.app[PLANE].url(request, PATH),
            filters=filters,
            show=lambda each: _show(each, held.get(each.name, 0) if each.orphaned else None),
        )
    )


async def delete(request: web.Request) -> web.Response:
    """Remove an orphaned, empty topic."""
    await request.app[RECONCILER].remove(request.match_info["name"])
    return web.Response(status=HTTPStatus.NO_CONTENT)


def _show(topic: OwnTopic, records: int | None) -> dict[str, object]:
    return {
        "name": topic.name,
        "kind": topic.told.kind,
        "sink_type": topic.told.sink_type,
        "subscription_sid": topic.told.subscription_sid,
        "account_sid": topic.account_sid,
        "partitions": topic.partitions,
        "orphaned": topic.orphaned,
        "records": records,
    }


def _kind(given: str) -> TopicKind:
    try:
        return TopicKind(given.lower())
    except ValueError:
        raise RefusedError(f"Kind must be one of {', '.join(TopicKind)}") from None


_GROUP: Final = "Operator"
OPERATIONS: Final = (
    Operation(
        name="OperatorListTopic",
        method="GET",
        path=PATH,
        handler=list_all,
        group=_GROUP,
        summary="List the topics of the installation",
        description="Sorted by name. An orphaned topic belongs to nothing that exists; for it, the number of "
        "records that it may hold is given.",
        query=(
            choice("Kind", "Only topics of this kind.", TopicKind),
            flag("Orphaned", "Only topics that are, or are not, orphaned."),
        ),
        answer=Listed("topics", Topic),
        caller=Caller.OPERATOR,
    ),
    Operation(
        name="OperatorDeleteTopic",
        method="DELETE",
        path=f"{PATH}/{{name}}",
        handler=delete,
        group=_GROUP,
        summary="Remove an orphaned topic",
        description="It must be empty and have been orphaned for two minutes.",
        names=(text("name", "Name of an orphaned topic."),),
        answer=None,
        statuses=(HTTPStatus.NO_CONTENT,),
        refusals=refused_with(ErrorCode.NOT_FOUND, ErrorCode.CONFLICT),
        caller=Caller.OPERATOR,
    ),
)
