"""``/v1/Sinks/{Sid}/Probe``: checks a sink's destination with its plugin's own probe. An extension.

A test event shows the same and more, but it is delivered, and its outcome is in the delivery log; a probe is answered
immediately, and leaves nothing behind at most destinations.
"""

from collections import Counter
from collections.abc import Awaitable
from functools import partial
from http import HTTPStatus
from typing import Final, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from control_api.http.answers import json_answer
from control_api.http.declared import One, Operation, refused_with
from control_api.http.forms import read_form
from control_api.plane import PLANE, ControlPlane
from control_api.sinks import resource as sinks
from eventstreams import __version__
from eventstreams.client.models import SinkProbe
from eventstreams.control.records import SinkRecord
from eventstreams.control.vault import Purpose
from eventstreams.http import ErrorCode, RefusedError
from eventstreams.http.limits import too_often
from eventstreams.reasons import RetryReason
from eventstreams.sinks import Delivered, DeliveryOutcome, DestinationGuard, Rejected, RetryLater, Sink, SinkContext
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.sinks.registry import lacking
from eventstreams.sinks.secret_texts import Secrets, no_secrets, secrets_of
from eventstreams.telemetry.concealing import concealing
from eventstreams.telemetry.logging import get_logger
from eventstreams.time_limits import within

PATH: Final = f"{sinks.PATH}/{{sid}}/Probe"
_OF_ONE: Final = 2  # concurrent probes per customer: they are for people, and may take as long as a delivery
_AT_ONCE: Final = 32  # concurrent probes of one API process: each takes connections and threads
_BUSY_S: Final = 5.0
_CLOSE_S: Final = 2.0
_MAX_TEXT: Final = 1024  # characters of a plugin's texts, as in the delivery log

T = TypeVar("T")

_log = get_logger(__name__)


class SinkProber:
    """Opens sinks just to probe them, with connections checked by ``guard`` as in a worker."""

    def __init__(self, guard: DestinationGuard) -> None:
        self._guard = guard
        self._under_way: Counter[str] = Counter()

    async def probe(self, plane: ControlPlane, sink: SinkRecord) -> DeliveryOutcome:
        """Probe ``sink``, and return the outcome.

        Raises:
            RefusedError: its plugin, or a library that the plugin needs, is not installed here; or too many probes are
                under way.
        """
        plugin = _plugin(plane, sink)
        who = plane.feed.snapshot.customer_of(sink.account_sid)
        if self._under_way[who] >= _OF_ONE or self._under_way.total() >= _AT_ONCE:
            raise too_often("Too many probes are in progress: try again when they are done", wait_s=_BUSY_S)
        self._under_way[who] += 1
        try:
            return await self._probe(plugin, plane, sink)
        finally:
            self._under_way -= Counter({who: 1})  # removes counts of zero

    async def _probe(self, plugin: AnySinkPlugin, plane: ControlPlane, sink: SinkRecord) -> DeliveryOutcome:
        account = plane.feed.snapshot.accounts[sink.account_sid]
        context = SinkContext(
            sink_sid=sink.sid,
            account_sid=sink.account_sid,
            signing_tokens=tuple(
                plane.vault.unlock(token, Purpose.AUTH_TOKEN, account.sid) for token in account.tokens(plane.clock())
            ),
            guard=self._guard,
            user_agent=f"eventstreams/{__version__}",
            mail=plane.mail,
        )
        secrets: Secrets = no_secrets
        try:
            given = plane.vault.unlock(sink.configuration, Purpose.SINK_CONFIGURATION, sink.sid)
            config = plugin.config.model_validate_json(given)
            secrets = partial(secrets_of, plugin, config, context)
            return await _asked(plugin, config, context)
        except TimeoutError:
            return RetryLater(RetryReason.TIMED_OUT, "no answer to its probe in time")
        except ValidationError:
            return RetryLater(RetryReason.SINK_UNUSABLE, "its configuration is no longer valid")
        except Exception as error:  # noqa: BLE001 - the seam to foreign code, as in a worker
            with concealing(secrets()):
                _log.error("sink.not_probed", sink=sink.sid, exc_info=error, follows="the probe reports it as unusable")
            return RetryLater(RetryReason.SINK_UNUSABLE, type(error).__name__)


PROBER: Final = web.AppKey("prober", SinkProber)


async def probe(request: web.Request) -> web.Response:
    """Probe the sink's destination. Does not change the sink."""
    await read_form(request)
    sink = sinks.find(request)
    outcome = await request.app[PROBER].probe(request.app[PLANE], sink)
    return json_answer({"sink_sid": sink.sid, "sink_type": sink.sink_type, **_shown(outcome)})


async def _asked(plugin: AnySinkPlugin, config: BaseModel, context: SinkContext) -> DeliveryOutcome:
    limit_s = plugin.capabilities(config).timeout_s
    sink = await within(_awaited(plugin.open(config, context)), timeout_s=limit_s)
    try:
        return await within(_awaited(sink.probe()), timeout_s=limit_s)
    finally:
        await _closed(sink)


async def _awaited(given: Awaitable[T]) -> T:
    """Wrap in a coroutine whatever awaitable a plugin returns."""
    return await given


async def _closed(sink: Sink) -> None:
    """Close ``sink``. If that fails or takes too long, it does not affect the probe's outcome."""
    try:
        await within(_awaited(sink.aclose()), timeout_s=_CLOSE_S)
    except Exception as error:  # noqa: BLE001 - the seam to foreign code, as in a worker
        _log.warning("sink.close_failed", error=type(error).__name__, follows="its connections end with us")


def _plugin(plane: ControlPlane, sink: SinkRecord) -> AnySinkPlugin:
    plugin = plane.plugins.get(sink.sink_type)
    if plugin is None:
        text = f"Sink {sink.sid} cannot be probed: no plugin for {sink.sink_type} sinks is installed here"
        raise RefusedError(text, status=HTTPStatus.CONFLICT)
    for module, requirement in lacking(plugin).items():
        text = f"Sink {sink.sid} cannot be probed here because {module} is missing: pip install '{requirement}'"
        raise RefusedError(text, status=HTTPStatus.CONFLICT)
    return plugin


def _shown(outcome: DeliveryOutcome) -> dict[str, object]:
    match outcome:
        case Delivered():
            return {"outcome": "delivered", "reason": None, "code": None, "detail": "", "answer": ""}
        case RetryLater() | Rejected():
            return {
                "outcome": "retry_later" if isinstance(outcome, RetryLater) else "rejected",
                "reason": outcome.reason,
                "code": outcome.reason.code,
                "detail": outcome.detail[:_MAX_TEXT],
                "answer": outcome.answer[:_MAX_TEXT],
            }


OPERATIONS: Final = (
    Operation(
        name="CreateSinkProbe",
        method="POST",
        path=PATH,
        handler=probe,
        group=sinks.GROUP,
        summary="Check whether a sink's destination exists and accepts our credentials",
        description="Delivers no event: a webhook gets an empty array, and for a stream only its existence is "
        "checked. To see whether the sink accepts an event, send a test event.",
        names=(sinks.SID,),
        answer=One(SinkProbe),
        refusals=(*sinks.NO_SID, *refused_with(ErrorCode.CONFLICT)),
    ),
)
