"""Writes the audit trail: a middleware around every authenticated write."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl

import orjson
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from control_api.accounts.operator import OPERATOR
from control_api.audit.entry import ActorType, AuditEvent, encode
from control_api.http.forms import FORM
from control_api.plane import PLANE
from eventstreams.control.snapshot import Snapshot
from eventstreams.http import CALLER, ClientAddress, RefusedError, read_body, unavailable
from eventstreams.kafka.producer import AckedProducer, NotAcked
from eventstreams.kafka.transaction import Outgoing
from eventstreams.sids import SidKind, is_sid, new_sid
from eventstreams.telemetry.logging import get_logger
from eventstreams.topics import Topics

_READING: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
_CREATED: Final = 201
_MAX_FIELDS: Final = 50
_MAX_SID: Final = 64  # characters of what a path names; ours have 34
# How the API spells parameters' names. If a secret is sent in place of a name, it is not recorded: our secrets, and
# nearly all others, contain digits.
_FIELD: Final = re.compile(r"[A-Z][A-Za-z]{0,39}")

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """Writes to the topic of the audit trail.

    Attributes:
        producer: For records that are not part of the transaction of the write that they describe.
        topics: The names of topics.
    """

    producer: AckedProducer
    topics: Topics

    def record(self, event: AuditEvent) -> Outgoing:
        """``event`` as a record for the topic."""
        return Outgoing(self.topics.audit, encode(event), event.accounts[0].encode() if event.accounts else None)

    async def write(self, event: AuditEvent) -> bool:
        """Write ``event``; return whether the broker has acknowledged it."""
        record = self.record(event)
        answer = await self.producer.send(record.topic, record.value, key=record.key)
        if isinstance(answer, NotAcked):
            _log.error("audit.not_written", sid=event.sid, route=event.route, error=answer.text)
        return not isinstance(answer, NotAcked)


def audit_writes(trail: AuditTrail, clients: ClientAddress) -> Middleware:
    """A middleware that records each write before it is made, and its outcome before it is answered.

    If the first record is not acknowledged, the write is refused and changes nothing. The second record is part of the
    transaction that makes the write, so it says ``done`` if and only if the write was made.
    """

    @web.middleware
    async def audit(request: web.Request, handler: Handler) -> web.StreamResponse:
        known = request.get(CALLER) is not None or request.get(OPERATOR) is not None
        if request.method in _READING or not known or request.match_info.http_exception is not None:
            return await handler(request)
        event = _describe(request, await read_body(request), clients.of(request))
        if not await trail.write(event):
            raise unavailable("The audit trail cannot be written right now, so nothing was changed: try again")
        try:
            answer = await handler(request)
        except (RefusedError, web.HTTPException) as error:
            await trail.write(replace(event, status=error.status))
            raise
        made = _made(answer) or event.resource_sid
        accounts = event.accounts
        if made is not None and is_sid(made, SidKind.ACCOUNT) and made not in accounts and answer.status == _CREATED:
            accounts = (*accounts, made)
        ended, writing = (
            replace(event, status=answer.status, resource_sid=made, accounts=accounts),
            request.app[PLANE].writing,
        )
        if writing.has_written():
            await writing.add(trail.record(ended))
        else:
            await trail.write(ended)
        return answer

    return audit


def _describe(request: web.Request, body: bytes, source: str) -> AuditEvent:
    caller, plane, named = request.get(CALLER), request.app[PLANE], request.match_info
    about = named.get("account_sid")
    resource = named.route.resource
    accounts: tuple[str, ...]
    if caller is None:
        actor, accounts = ActorType.OPERATOR, () if about is None else (about,)
    else:
        actor = ActorType.ACCOUNT if caller.key is None else ActorType.API_KEY
        own = caller.account.sid
        accounts = (own, about) if about and _owns(plane.feed.snapshot, own, about) else (own,)
    last = list(named.values())[-1][:_MAX_SID] if named else None
    return AuditEvent(
        sid=new_sid(SidKind.AUDIT_EVENT),
        at_ms=plane.clock(),
        actor_type=actor,
        actor_sid=None if caller is None else caller.sid,
        accounts=accounts,
        method=request.method,
        route="" if resource is None else resource.canonical,
        resource_sid=None if last is None else last.encode(errors="replace").decode(),
        fields=_fields(body, request.content_type),
        source=source,
    )


def _owns(snapshot: Snapshot, owner_sid: str, sid: str) -> bool:
    found = snapshot.accounts.get(sid)
    return found is not None and found.owner_account_sid == owner_sid


def _fields(body: bytes, content_type: str) -> tuple[str, ...]:
    """The names of the parameters in ``body``, in order and without duplicates."""
    names: list[str] = []
    try:
        if content_type == FORM:
            names = [name for name, _ in parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=2000)]
        elif body[:1] == b"{":
            given = orjson.loads(body)
            names = list(given) if isinstance(given, dict) else []
    except ValueError:
        return ()
    return tuple(dict.fromkeys(name for name in names if _FIELD.fullmatch(name)))[:_MAX_FIELDS]


def _made(answer: web.StreamResponse) -> str | None:
    """The ``sid`` in a JSON answer; None if there is none."""
    body = answer.body if isinstance(answer, web.Response) else None
    if not isinstance(body, bytes) or not body:
        return None
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    sid = told.get("sid") if isinstance(told, Mapping) else None
    return sid if isinstance(sid, str) else None
