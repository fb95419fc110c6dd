"""Builds Segment's ``track`` calls from events, and requests from these. Pure. See docs/sinks/segment.md."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import orjson

from eventstreams.sinks import OutboundEvent
from sink_workers.plugins.segment.config import SegmentConfig
from sink_workers.plugins.webhook.client import HttpRequest

# Segment's own limits; for a request a little less, as in Segment's libraries.
MAX_EVENT_BYTES: Final = 32 << 10
MAX_REQUEST_BYTES: Final = 475_000
_MAX_ID: Final = 99  # characters of a messageId
_MAX_USER_ID: Final = 256  # no real user id is longer
_AROUND: Final = len(b'{"batch":[]}')


class Mapper:
    """Builds the calls and requests of one sink."""

    def __init__(self, config: SegmentConfig, *, user_agent: str) -> None:
        self._config = config
        self._path = config.user_id.split(".") if config.user_id else ()
        name, _, version = user_agent.partition("/")
        self._library = {"name": name, "version": version}
        self._pair = base64.b64encode(f"{config.write_key.get_secret_value()}:".encode()).decode()
        self._headers = {
            "Accept-Encoding": "identity",  # the answer's body matters, so it must be readable
            "Authorization": f"Basic {self._pair}",
            "Content-Type": "application/json",
            "User-Agent": user_agent,
        }

    @property
    def secrets(self) -> Sequence[str]:
        """Secrets to remove from an answer before it is shown."""
        return [self._config.write_key.get_secret_value(), self._pair]

    def track(self, event: OutboundEvent) -> bytes:
        """The call for ``event``, as JSON; the same at each attempt."""
        about = {"specversion": "1.0", "type": event.type, "source": event.source, "dataschema": event.dataschema}
        if event.subject is not None:
            about["subject"] = event.subject
        context: dict[str, object] = {"library": self._library, "cloudevent": about}
        call: dict[str, object] = {
            "type": "track",
            "event": self._config.event_names.get(event.type, event.type),
            "messageId": event.id if len(event.id) <= _MAX_ID else _hash(event.id),
            "timestamp": event.time,
            "properties": event.data,
            "context": context,
        }
        kind, user_id = self._user(event)
        if user_id is None:
            call["anonymousId"] = _hash(f"{event.account_sid} {event.partition_key or event.source}")
        else:
            call["userId"] = _hash(user_id) if self._config.hash_user_id or len(user_id) > _MAX_USER_ID else user_id
            if kind is not None and call["userId"] == user_id:
                context["traits"] = {kind: user_id}
        return orjson.dumps(call)

    def requests(self, calls: Sequence[bytes]) -> Iterator[tuple[HttpRequest, int]]:
        """Put ``calls``, in order, into the fewest requests within Segment's limits.

        Yields each request with its number of calls. Without any calls there is one empty request.
        """
        part: list[bytes] = []
        size = _AROUND
        for call in calls:
            if part and size + len(call) + 1 > MAX_REQUEST_BYTES:
                yield self._request(part), len(part)
                part, size = [], _AROUND
            part.append(call)
            size += len(call) + 1
        if part or not calls:
            yield self._request(part), len(part)

    def _request(self, calls: Sequence[bytes]) -> HttpRequest:
        return HttpRequest("POST", self._config.url, self._headers, b'{"batch":[' + b",".join(calls) + b"]}")

    def _user(self, event: OutboundEvent) -> tuple[str | None, str | None]:
        """The kind of identity and the user id that ``event`` is about; None for what is not known."""
        if self._path:
            return None, _text(event.data, self._path)
        for kind, name in event.identity_fields.items():
            if (found := _text(event.data, (name,))) is not None:
                return kind, found
        return None, None


def _text(data: object, path: Sequence[str]) -> str | None:
    """The text or integer at ``path`` in ``data``, as text; None if there is none."""
    for name in path:
        data = data.get(name) if isinstance(data, Mapping) else None
    if isinstance(data, bool) or not isinstance(data, str | int):
        return None
    return str(data) or None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
