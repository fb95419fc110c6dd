"""Creates a temporary sink and subscription for a listener."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import orjson

from control_api.commands.remote import Remote
from control_api.commands.subscriptions import subscribed_fields
from eventstreams.client import ApiError

_CLEAN_S: Final = 30.0
_DESCRIPTION: Final = "eventstreams listen"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Temporary:
    """The temporary resources. ``secret``: for verifying Standard Webhooks; None if these are not used."""

    sink_sid: str
    subscription_sid: str
    secret: str | None = field(repr=False)


@asynccontextmanager
async def subscribed(
    api: Remote, url: str, types: Sequence[str], *, scheme: str | None, say: Say
) -> AsyncIterator[Temporary]:
    """Deliver ``types`` to ``url`` inside the block. Sink and subscription are always removed at the end.

    Raises:
        ApiError: the API refuses.
    """
    configuration = {"destination": url, **({} if scheme is None else {"standard_webhooks": {"scheme": scheme}})}
    sink = await api.post(
        "/v1/Sinks",
        [
            ("Description", _DESCRIPTION),
            ("SinkType", "webhook"),
            ("SinkConfiguration", orjson.dumps(configuration).decode()),
        ],
    )
    sink_sid = str(sink["sid"])
    try:
        secret = None if scheme is None else await _secret(api, sink_sid)
        fields = [("Description", _DESCRIPTION), ("SinkSid", sink_sid), *subscribed_fields(types)]
        subscription = await api.post("/v1/Subscriptions", fields)
        subscription_sid = str(subscription["sid"])
        try:
            yield Temporary(sink_sid, subscription_sid, secret)
        finally:
            await _remove(api, f"/v1/Subscriptions/{subscription_sid}", say)
    finally:
        await _remove(api, f"/v1/Sinks/{sink_sid}", say)


async def _secret(api: Remote, sink_sid: str) -> str:
    told = await api.get(f"/v1/Sinks/{sink_sid}/SigningSecret")
    return str(told.get("secret") or told.get("public_key"))


async def _remove(api: Remote, path: str, say: Say) -> None:
    """Delete a temporary resource. If that fails, say so, so that a person can do it."""
    try:
        async with asyncio.timeout(_CLEAN_S):
            await api.delete(path)
    except (ApiError, TimeoutError) as error:
        say(f"left behind: {path}: {str(error) or type(error).__name__}")
    else:
        say(f"removed {path}")
