"""Lists audit events, newest first: ``/v1/AuditEvents`` for accounts, ``/operator/v1/AuditEvents`` for the operator."""

from typing import Final

from aiohttp import web

from control_api.accounts.operator import OPERATOR, START, USER
from control_api.audit.descriptions import describe
from control_api.audit.entry import ActorType, AuditEvent
from control_api.audit.reader import AUDIT
from control_api.http.answers import json_answer, timestamp
from control_api.http.declared import PAGING, Caller, Listed, Operation, moment, text
from control_api.http.paging import Page, PageQuery, envelope
from control_api.http.sealed_pages import seal, unseal
from control_api.plane import PLANE
from control_api.redrive.parameters import Parameters
from eventstreams.client import accounts as models
from eventstreams.control.snapshot import Snapshot
from eventstreams.http import ACCOUNT, RefusedError
from eventstreams.times import parse_rfc3339, to_ms

PATH: Final = "/v1/AuditEvents"
OPERATOR_PATH: Final = f"{START}v1/AuditEvents"
_FILTERS: Final = ("ActorSid", "ResourceSid", "After", "Before")


async def list_all(request: web.Request) -> web.Response:
    """List the writes that the caller may see, newest first. The filter ``AccountSid`` is for the operator."""
    is_operator = request.get(OPERATOR) is not None
    query = PageQuery.parse(request.query)
    given = Parameters.check(request.query.items(), (*_FILTERS, *(("AccountSid",) if is_operator else ()), *PAGING))
    account_sid = given.one("AccountSid") if is_operator else request[ACCOUNT].sid
    actor, resource = given.one("ActorSid"), given.one("ResourceSid")

    def takes(event: AuditEvent) -> bool:
        return (
            (account_sid is None or account_sid in event.accounts)
            and actor in {None, event.actor_sid}
            and resource in {None, event.resource_sid}
        )

    mark, snapshot = unseal(request, query), request.app[PLANE].feed.snapshot
    found = await request.app[AUDIT].page(
        takes,
        query.size,
        None if mark is None else int(mark),
        after_ms=_time(given, "After"),
        before_ms=_time(given, "Before"),
        asks=USER if is_operator else request[ACCOUNT].sid,
    )
    return json_answer(
        envelope(
            Page(
                found.events,
                before=None,
                after=None if found.following is None else seal(request, str(found.following)),
            ),
            query,
            key="audit_events",
            url=request.app[PLANE].url(request, request.path),
            filters=[(name, value) for name, value in given.values if name not in PAGING],
            show=lambda event: _show(event, None if is_operator else request[ACCOUNT].sid, snapshot),
        )
    )


def _show(event: AuditEvent, asks: str | None, snapshot: Snapshot) -> dict[str, object]:
    """The write as the account ``asks`` may see it; None: as the operator may."""
    # An account must not learn the address of the operator or of its owner.
    own = event.actor_type is not ActorType.OPERATOR and event.accounts[:1] == (asks,)
    shows_source = asks is None or own
    return {
        "sid": event.sid,
        "date_created": timestamp(event.at_ms),
        "summary": describe(event, lambda sid: _name(snapshot, sid, asks)),
        "account_sid": event.accounts[0] if event.accounts else None,
        "actor_type": event.actor_type,
        "actor_sid": event.actor_sid,
        "method": event.method,
        "route": event.route,
        "resource_sid": event.resource_sid,
        "fields": event.fields,
        "source_ip_address": event.source or None if shows_source else None,
        "outcome": event.outcome,
        "status": event.status,
    }


def _name(snapshot: Snapshot, sid: str, asks: str | None) -> str:
    """The present name of ``sid`` if it belongs to the account ``asks`` or to a subaccount of it; else empty.

    A refused request for somebody else's thing is on the requester's trail, but must not reveal the thing's name.
    """
    if (thing := snapshot.sinks.get(sid) or snapshot.subscriptions.get(sid)) is not None:
        owner, name = thing.account_sid, thing.description
    elif (key := snapshot.keys.get(sid)) is not None:
        owner, name = key.account_sid, key.friendly_name
    elif (account := snapshot.accounts.get(sid)) is not None:
        owner, name = account.sid, account.friendly_name
    else:
        return ""
    return name if asks in {None, owner, snapshot.customer_of(owner)} else ""


def _time(given: Parameters, name: str) -> int | None:
    text = given.one(name)
    try:
        return None if text is None else max(to_ms(parse_rfc3339(text)), 0)
    except (ValueError, OverflowError):
        raise RefusedError(f"{name} must be a time such as 2026-03-29T04:00:00Z") from None


_QUERY: Final = (
    text("ActorSid", "Only writes by this account or API key.", most=255),
    text("ResourceSid", "Only writes to the resource with this SID.", most=255),
    moment("After", "Only those at this time or later."),
    moment("Before", "Only those before this time."),
)
OPERATIONS: Final = (
    Operation(
        name="ListAuditEvent",
        method="GET",
        path=PATH,
        handler=list_all,
        group="Audit",
        summary="List the audit trail",
        description="Every write: by whom, when and from where; newest first.",
        query=_QUERY,
        answer=Listed("audit_events", models.AuditEvent),
    ),
    Operation(
        name="OperatorListAuditEvent",
        method="GET",
        path=OPERATOR_PATH,
        handler=list_all,
        group="Operator",
        summary="List the audit trail",
        description="Every write of all accounts, newest first.",
        query=(*_QUERY, text("AccountSid", "Only writes by or to this account.", most=255)),
        answer=Listed("audit_events", models.AuditEvent),
        caller=Caller.OPERATOR,
    ),
)
