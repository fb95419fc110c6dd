"""Probes of sinks by the API: opened, asked and closed, whatever the plugin does, and never too many at once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import BaseModel, ConfigDict

from control_api.plane import ControlPlane
from control_api.sinks.probes import SinkProber
from eventstreams.control.records import SinkRecord, SinkStatus
from eventstreams.http import RefusedError
from eventstreams.sinks import (
    Capabilities,
    Delivered,
    DeliveryOutcome,
    DestinationGuard,
    OutboundEvent,
    RetryLater,
    RetryReason,
    SinkContext,
    SinkPlugin,
)

TAKES, DOWN = Delivered(200), RetryLater(RetryReason.SERVER_ERROR, "HTTP 503")


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")

    place: str


class Shelf:
    """A sink whose probe does what the test says."""

    def __init__(self, probing: Callable[[], Awaitable[DeliveryOutcome]]) -> None:
        self._probing = probing
        self.closed = False

    async def deliver(self, batch: Sequence[OutboundEvent], /) -> Sequence[DeliveryOutcome]:
        raise AssertionError("nothing is delivered")

    async def probe(self) -> DeliveryOutcome:
        return await self._probing()

    async def aclose(self) -> None:
        self.closed = True


def plane(sink: Shelf, *, requires: Mapping[str, str] = {}, limit_s: float = 60.0) -> ControlPlane:
    async def opened(config: Config, context: SinkContext) -> Shelf:
        assert context.signing_tokens == ("token",)
        return sink

    plugin = SinkPlugin(
        sink_type="shelf",
        config=Config,
        capabilities=lambda _: Capabilities(timeout_s=limit_s),
        public=Config.model_dump,
        open=opened,
        requires=requires,
    )
    account = SimpleNamespace(sid="AC1", tokens=lambda _: ("token",))
    households = {"AC1": "AC1", "AC1's": "AC1", "AC2": "AC2"}
    snapshot = SimpleNamespace(accounts=dict.fromkeys(households, account), customer_of=households.__getitem__)
    vault = SimpleNamespace(unlock=lambda text, *_: text)
    made = SimpleNamespace(plugins={"shelf": plugin}, vault=vault, clock=lambda: 0, mail=None)
    made.feed = SimpleNamespace(snapshot=snapshot)
    return cast(ControlPlane, made)


def record(account_sid: str = "AC1", *, sink_type: str = "shelf", configuration: str = '{"place": "x"}') -> SinkRecord:
    return SinkRecord(
        sid="DG1",
        account_sid=account_sid,
        description="",
        sink_type=sink_type,
        configuration=cast(Any, configuration),
        status=SinkStatus.ACTIVE,
        created_ms=0,
        updated_ms=0,
    )


async def says(outcome: DeliveryOutcome) -> DeliveryOutcome:
    return outcome


async def raises() -> DeliveryOutcome:
    raise ValueError("secret")


async def hangs() -> DeliveryOutcome:
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize(
    ("probing", "outcome"),
    [
        (lambda: says(TAKES), TAKES),
        (lambda: says(DOWN), DOWN),
        (raises, RetryLater(RetryReason.SINK_UNUSABLE, "ValueError")),
        (hangs, RetryLater(RetryReason.TIMED_OUT, "no answer to its probe in time")),
    ],
    ids=["takes", "down", "raises", "hangs"],
)
async def test_a_probe_says_what_the_plugin_says_and_closes_the_sink(
    probing: Callable[[], Awaitable[DeliveryOutcome]], outcome: DeliveryOutcome
) -> None:
    shelf = Shelf(probing)

    here = plane(shelf, limit_s=0.2 if probing is hangs else 60.0)
    assert await SinkProber(DestinationGuard()).probe(here, record()) == outcome
    assert shelf.closed


async def test_a_configuration_that_is_not_valid_any_more_is_said_to_be_so_without_its_values() -> None:
    found = await SinkProber(DestinationGuard()).probe(plane(Shelf(raises)), record(configuration='{"old": "secret"}'))

    assert found == RetryLater(RetryReason.SINK_UNUSABLE, "its configuration is no longer valid")


async def test_a_library_that_is_not_here_is_asked_for() -> None:
    lacking = plane(Shelf(raises), requires={"no_such_library": "acme[library]"})

    with pytest.raises(RefusedError, match=r"because no_such_library is missing: pip install 'acme\[library\]'"):
        await SinkProber(DestinationGuard()).probe(lacking, record())
    with pytest.raises(RefusedError, match="no plugin for rack sinks is installed here"):
        await SinkProber(DestinationGuard()).probe(lacking, record(sink_type="rack"))


async def test_an_owner_with_subaccounts_has_two_probes_under_way_and_hinders_nobody_else() -> None:
    going, go = 0, asyncio.Event()

    async def waits() -> DeliveryOutcome:
        nonlocal going
        going += 1
        await go.wait()
        return TAKES

    prober, here = SinkProber(DestinationGuard()), plane(Shelf(waits))
    first = [asyncio.create_task(prober.probe(here, record(sid))) for sid in ("AC1", "AC1's")]
    while going < 2:
        await asyncio.sleep(0)

    for sid in ("AC1", "AC1's"):
        with pytest.raises(RefusedError, match="Too many probes are in progress"):
            await prober.probe(here, record(sid))
    other = asyncio.create_task(prober.probe(here, record("AC2")))
    while going < 3:
        await asyncio.sleep(0)
    go.set()

    assert await asyncio.gather(*first, other) == [TAKES] * 3
    assert await prober.probe(here, record()) == TAKES
