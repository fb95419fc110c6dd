"""One attempt: the seam between our code and a plugin's."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import datetime
from types import CoroutineType, UnionType
from typing import Final, assert_never

from eventstreams.reasons import DeadReason, RetryReason
from eventstreams.sinks import Delivered, DeliveryOutcome, OutboundEvent, Rejected, RetryLater, Sink
from eventstreams.sinks.secret_texts import Secrets, no_secrets
from eventstreams.telemetry.concealing import concealing
from eventstreams.telemetry.logging import get_logger
from eventstreams.time_limits import GRACE_S, OverdueError, Watch, is_cancelled, within

_COMMON: Final[dict[str, type | UnionType]] = {"detail": str, "status": int | None, "answer": str}

_log = get_logger(__name__)


async def attempt(
    sink: Sink,
    batch: Sequence[OutboundEvent],
    *,
    timeout_s: float,
    watch: Watch,
    grace_s: float = GRACE_S,
    secrets: Secrets = no_secrets,
) -> Sequence[DeliveryOutcome]:
    """Deliver ``batch`` once and return exactly one outcome per event, in order.

    Raises only on cancellation of the caller, which must reach the worker so that nothing of this batch is settled.
    A plugin that raises (including a CancelledError that we did not cause), runs longer than ``timeout_s`` seconds, as
    measured by ``watch``, or returns the wrong number or kind of outcomes says nothing about the events, so all of them
    are retried. One that ignores its cancellation is abandoned after another ``grace_s`` seconds. ``secrets`` are
    removed from what is logged of its errors.
    """
    try:
        work = sink.deliver(batch)
        held = work if isinstance(work, CoroutineType) else _awaited(work)
        outcomes: Sequence[DeliveryOutcome] = await within(held, timeout_s=timeout_s, grace_s=grace_s, watch=watch)
    except OverdueError:
        return _all(batch, RetryReason.PLUGIN_HUNG, f"no outcome within {timeout_s:g} s")
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # the seam to foreign code: it is logged, and the events are kept
        if isinstance(error, asyncio.CancelledError) and is_cancelled():
            raise
        with concealing(secrets()):
            _log.error("plugin.raised", exc_info=error, follows="the events are retried")
        return _all(batch, RetryReason.PLUGIN_RAISED, type(error).__name__)
    if problem := _miscount(batch, outcomes):
        _log.error("plugin.miscounted", problem=problem, follows="the events are retried")
        return _all(batch, RetryReason.PLUGIN_MISCOUNTED, problem)
    return outcomes


async def _awaited(work: Awaitable[Sequence[DeliveryOutcome]]) -> Sequence[DeliveryOutcome]:
    """Wrap in a coroutine whatever awaitable the plugin's ``deliver`` returns."""
    return await work


def outcome_label(outcome: DeliveryOutcome) -> tuple[str, str]:
    """The outcome and its reason, as named in metrics and log lines."""
    match outcome:
        case Delivered():
            return "delivered", ""
        case RetryLater(reason=reason):
            return "retry_later", reason.value
        case Rejected(reason=dead_reason):
            return "rejected", dead_reason.value
        case _:
            assert_never(outcome)


def _miscount(batch: Sequence[OutboundEvent], outcomes: object) -> str | None:
    if not isinstance(outcomes, (list, Sequence)):  # usually a list, for which the check is faster
        return f"{type(outcomes).__name__} instead of a sequence of outcomes"
    if len(outcomes) != len(batch):
        return f"{len(outcomes)} outcomes for {len(batch)} events"
    for outcome in outcomes:  # no generator: it costs several times as much for a single outcome
        if problem := _strange(outcome):
            return problem
    return None


def _strange(outcome: object) -> str | None:
    """What is wrong with ``outcome``: an unchecked plugin may return anything, or put anything into our classes."""
    match outcome:
        case Delivered():
            status: object = outcome.status
            return None if status is None or isinstance(status, int) else _wrong("Delivered", "status", status)
        case RetryLater():
            kinds: dict[str, type | UnionType] = {"reason": RetryReason, "not_before": datetime | None}
        case Rejected():
            kinds = {"reason": DeadReason}
        case _:
            return f"{type(outcome).__name__} among the outcomes"
    for name, kind in (kinds | _COMMON).items():
        if not isinstance(getattr(outcome, name), kind):
            return _wrong(type(outcome).__name__, name, getattr(outcome, name))
    return None


def _wrong(outcome: str, name: str, value: object) -> str:
    return f"{outcome} with a {name} that is {type(value).__name__}"


def _all(batch: Sequence[OutboundEvent], reason: RetryReason, detail: str) -> Sequence[DeliveryOutcome]:
    return [RetryLater(reason, detail)] * len(batch)
