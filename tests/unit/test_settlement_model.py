"""For any interleaving of outcomes, broker trouble, crashes and rebalances, no commit passes an unsettled event."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from structlog.testing import capture_logs
from typing_extensions import override

from eventstreams.sinks import DeadReason, Delivered, DeliveryOutcome, Rejected, RetryLater, RetryReason
from eventstreams.times import from_ms
from sink_workers.lanes.handler import Limits
from tests.support.partition_model import TTL_MS, Mood, World
from tests.support.virtual_time import VirtualLoop

DELIVERED, REFUSED, AGAIN = Delivered(), Rejected(DeadReason.REFUSED), RetryLater(RetryReason.SERVER_ERROR)
kinds = st.sampled_from(["delivered", "delivered", "refused", "again", "again later"])


class Settlement(RuleBasedStateMachine):
    """One subscription's partition and its retry topics, from the first record to the last."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.quiet = ExitStack()
        self.quiet.enter_context(capture_logs())  # a failure is told by its steps
        self.world: World

    @initialize(delays=st.sampled_from(["1s", "200ms,3s", "500ms,2s,8s"]), partitions=st.integers(1, 3))
    def begin(self, delays: str, partitions: int) -> None:
        async def make() -> World:
            return World(delays=delays, partitions=partitions)

        self.world = self.loop.run(make())

    # -- what happens ----------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 8), gap=st.sampled_from([0, 0, 1, 5]), ttl_ms=st.sampled_from([TTL_MS, 2_000]))
    def events_are_published(self, count: int, gap: int, ttl_ms: int) -> None:
        for _ in range(count):
            self.world.publish(gap=gap, ttl_ms=ttl_ms)

    @rule(most=st.integers(1, 20), data=st.data())
    def records_are_fetched(self, most: int, data: st.DataObject) -> None:
        partitions = sorted(self.world.worker.lanes)
        self._now(lambda: self.world.worker.fetch(data.draw(st.sampled_from(partitions)), most))

    @rule(most=st.integers(1, 20))
    def the_subscription_is_fetched(self, most: int) -> None:
        self._now(lambda: self.world.worker.fetch(self.world.subscription, most))

    @precondition(lambda self: bool(self.world.attempts))
    @rule(data=st.data())
    def the_sink_answers(self, data: st.DataObject) -> None:
        attempt = data.draw(st.sampled_from(self.world.attempts))
        outcomes = [self._outcome(data.draw(kinds), data) for _ in attempt.records]
        self._now(lambda: self.world.answer(attempt, outcomes))

    @rule(events=st.integers(1, 3), in_flight=st.integers(0, 3))
    def the_sink_takes_more_or_less(self, events: int, in_flight: int) -> None:
        self.world.limits = Limits(events, 1 << 20, 0.0, in_flight)
        self._now(self.world.worker.wake)

    @rule(mood=st.sampled_from(Mood))
    def the_broker_changes(self, mood: Mood) -> None:
        self._now(lambda: self.world.broker.change(mood))

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0, 5.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.loop.run(asyncio.sleep(seconds))

    @rule()
    def offsets_are_committed(self) -> None:
        self.world.worker.commit()

    @rule()
    def the_worker_dies(self) -> None:
        self._now(self.world.worker.abandon)
        self._now(self.world.new_worker)

    @rule(before=st.booleans())
    def the_partitions_are_lost(self, before: bool) -> None:  # noqa: FBT001 - drawn
        if before:
            self.world.worker.commit()
        old = self.world.worker
        self._now(self.world.new_worker)  # it has them before the old one knows
        self._now(old.abandon)

    @rule(timeout_s=st.sampled_from([0.0, 0.5, 10.0]), data=st.data())
    def the_partitions_are_revoked(self, timeout_s: float, data: st.DataObject) -> None:
        answered = [attempt for attempt in self.world.attempts if data.draw(st.booleans())]
        for attempt in answered:
            outcomes = [self._outcome(data.draw(kinds), data) for _ in attempt.records]
            self.loop.call_later(0.1, self.world.answer, attempt, outcomes)
        self.loop.run(self.world.worker.drain(timeout_s))
        self.loop.run(asyncio.sleep(0.2))
        self._now(self.world.new_worker)

    # -- what always holds -----------------------------------------------------------------------------------

    @invariant()
    def no_commit_passes_an_event_that_is_not_settled(self) -> None:
        world = self.world
        lost = world.published - world.delivered - world.dead.keys() - world.owed
        assert not lost, f"committed, and neither delivered nor on a retry or dead-letter topic: {sorted(lost)}"

    @invariant()
    def nothing_dies_without_its_reason(self) -> None:
        for event_id, reasons in self.world.dead.items():
            for reason in reasons:
                assert reason == "expired" or (reason == "refused" and event_id in self.world.refused)

    @invariant()
    def no_lane_crashes(self) -> None:
        assert self.world.crashes == []

    @override
    def teardown(self) -> None:
        """In the end the trouble is over: then every event is delivered or dead, and everything is committed."""
        try:
            if hasattr(self, "world"):
                self._heal()
                self._settle_everything()
                self.no_commit_passes_an_event_that_is_not_settled()
                assert self.world.published == self.world.delivered | self.world.dead.keys()
                assert self.world.owed == set()
        finally:
            self.loop.end()
            self.quiet.close()

    def _heal(self) -> None:
        self._now(lambda: self.world.broker.change(Mood.UP))
        self.world.limits = Limits(3, 1 << 20, 0.0, 3)
        self._now(self.world.worker.wake)

    def _settle_everything(self) -> None:
        for _ in range(200):
            if not self.world.owed:
                return
            for partition in self.world.worker.lanes:
                self._now(lambda partition=partition: self.world.worker.fetch(partition, 100))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            for attempt in list(self.world.attempts):
                self._now(lambda attempt=attempt: self.world.answer(attempt, [DELIVERED] * len(attempt.records)))  # type: ignore[misc]  # the same
            self.loop.run(asyncio.sleep(1.0))
            self.world.worker.commit()

    def _now(self, step: Callable[[], object]) -> None:
        """Do ``step`` on the loop, and let everything that follows from it at once happen."""

        async def run() -> None:
            step()

        self.loop.run(run())
        self.loop.turn()

    def _outcome(self, kind: str, data: st.DataObject) -> DeliveryOutcome:
        match kind:
            case "delivered":
                return DELIVERED
            case "refused":
                return REFUSED
            case "again":
                return AGAIN
            case _:
                later_ms = data.draw(st.integers(0, 2 * TTL_MS))
                return RetryLater(RetryReason.THROTTLED, not_before=from_ms(self.world.clock() + later_ms))


def test_no_commit_passes_an_unsettled_event_whatever_happens() -> None:
    run_state_machine_as_test(
        Settlement,
        settings=settings(
            max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
