"""Waits until a run has come to its end: nothing is missing, nothing waits, nothing arrives any more."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eventstreams.errors import EventStreamsError
from eventstreams.verify.environment import RunEnvironment
from eventstreams.verify.judge import missing

_LOOK_S: Final = 1.0
_QUIET_S: Final = 3.0  # longer than anything waits before sending a request that was already decided on
_SURE: Final = 4  # identical looks in a row: something written between two of them would show in the next


async def misbehave(environment: RunEnvironment) -> None:
    """Let the receivers misbehave for a while longer: if there are few events, most arrive after all are published."""
    await _until_settled(environment, environment.options.misbehave_s)


async def settle(environment: RunEnvironment) -> float | None:
    """Wait until all events are settled and committed; returns after how many seconds, or None if they are not.

    Then wait a moment longer, for deliveries that should not arrive.
    """
    took = await _until_settled(environment, environment.options.settle_s)
    if took is not None:
        await asyncio.sleep(_QUIET_S)  # there is no state to wait for: what should not arrive would arrive now
        await _look(environment)
    return took


async def _until_settled(environment: RunEnvironment, within_s: float) -> float | None:
    """After how many seconds it was settled; None if not within ``within_s``, or never, as nothing waits any more."""
    began, same, last = time.monotonic(), 0, None
    while True:
        look = await _look(environment)
        if look is not None and look.is_settled:
            return time.monotonic() - began
        same = same + 1 if look is not None and look == last else 0
        last = look
        is_over = look is not None and not look.waiting and environment.backlog.is_complete and same == _SURE
        if is_over or time.monotonic() - began > within_s:
            return None
        await asyncio.sleep(_LOOK_S)


@dataclass(frozen=True, slots=True)
class _Look:
    """How many events are missing at each subscription, and what waits, by place."""

    missing: Sequence[int]
    waiting: Mapping[str, int]

    @property
    def is_settled(self) -> bool:
        return not any(self.missing) and not self.waiting


async def _look(environment: RunEnvironment) -> _Look | None:
    """Look once; None if there is no answer, as the installation may still be recovering from an attack."""
    try:
        await environment.dead_letter_source.look(environment.dead_letters)
        return _Look(_missing(environment), await environment.backlog.look())
    except EventStreamsError:
        return None


def _missing(environment: RunEnvironment) -> Sequence[int]:
    states = environment.ledger.states()
    return [
        len(
            missing(
                environment.plan,
                states,
                position,
                tally.acceptances(),
                bytes(environment.dead_letters.dead[made.subscription_sid]),
            )
        )
        for position, (tally, made) in enumerate(zip(environment.tallies, environment.subscribed, strict=True))
    ]
