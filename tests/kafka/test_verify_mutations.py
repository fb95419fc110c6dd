"""``eventstreams verify`` against an installation that was broken on purpose: each break is told, and where it is.

One run: every subscription meets the product's own code with one change, and the first with none.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import pytest
from pydantic import SecretStr

from control_api.role import serve as serve_api
from eventstreams.control.records import Resource, Subscription
from eventstreams.headers import ID, SUBSCRIPTION
from eventstreams.http import RefusedError
from eventstreams.kafka.records import Record
from eventstreams.process import Process
from eventstreams.process.listen import address_of, open_socket
from eventstreams.process.run import RoleMain
from eventstreams.reasons import DeadReason
from eventstreams.settings import Settings
from eventstreams.sinks import Delivered, DeliveryOutcome, DestinationGuard, OutboundEvent, Rejected, RetryLater, Sink
from eventstreams.sinks.registry import load_plugin
from eventstreams.sinks.secret_texts import Secrets
from eventstreams.time_limits import Watch
from eventstreams.topics import Topics
from eventstreams.verify.backlog import KafkaBacklog
from eventstreams.verify.environment import Options
from eventstreams.verify.judge import Fault, Problem
from eventstreams.verify.plan import TYPES
from eventstreams.verify.report import text_of
from eventstreams.verify.run import Report, verify
from eventstreams.verify.subscribing import Installation as Verified
from producers.encoder import EncodedEvent
from producers.gateway.intake import Intake
from producers.gateway.role import serve as serve_gateway
from producers.outcomes import SendOutcome
from router.planning.matcher import Matcher, Route
from router.planning.plan import Planner, Way
from router.records import SourceRecord
from router.role import route
from sink_workers.delivery import delivery
from sink_workers.delivery.attempt import attempt
from sink_workers.delivery.attempt_entries import Rest
from sink_workers.delivery.delivery import Delivery
from sink_workers.delivery.pending import CompletedAttempt, PendingDelivery
from sink_workers.delivery.settle import Settler
from sink_workers.lanes.handler import LaneHandle
from sink_workers.plugins.webhook.client import HttpRequest
from sink_workers.plugins.webhook.request import RequestBuilder
from sink_workers.plugins.webhook.signature import HEADER
from sink_workers.plugins.webhook.sink import WebhookSink
from sink_workers.role import worker_for
from tests.support.installation import Installation

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

OPERATOR = "operator-of-the-test"
DROPPED, UNRETRIED, UNBURIED, TWICE, ALTERED, FORGED = range(1, 7)
STRANGERS, REFUSED, ONE_TYPE, BURIED_TWICE, UNDESERVED, UNGUARDED = range(7, 13)
RECEIVERS: Final = (
    *("healthy", "healthy", "failing", "refusing", "healthy", "healthy", "healthy", "healthy", "healthy", "healthy"),
    *("refusing", "failing", "forbidden"),
)


class Mutations:
    """The changes, each for the subscription whose number it has."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._positions: dict[str, int] = {}  # by SID
        self._once: set[int] = set()
        self._refused: set[str] = set()
        self._publishing: set[asyncio.Task[list[SendOutcome]]] = set()
        for each in (self._router, self._gateway, self._attempts, self._settling, self._requests, self._guard):
            each()

    def _is_first(self, position: int) -> bool:
        return position not in self._once and not self._once.add(position)  # type: ignore[func-returns-value]  # for the one line

    def _router(self) -> None:
        by_key, match, ways = Matcher._by_key, Matcher.match, Planner.ways

        def without_a_type(matcher: Matcher, resource: Resource | None) -> dict[tuple[bytes, bytes], Route]:
            found = by_key(matcher, resource)
            if isinstance(resource, Subscription):
                position = int(resource.description.split()[2])
                self._positions[resource.sid] = position
                if position == ONE_TYPE:
                    return {key: each for key, each in found.items() if key[1] != TYPES[1].encode()}
            return found

        def of_others_too(matcher: Matcher, account: bytes, event_type: bytes, accepted_at_ms: int) -> list[Route]:
            found = match(matcher, account, event_type, accepted_at_ms)
            others = [
                each
                for (whose, type_), routes in matcher._routes.items()
                for each in routes
                if whose != account and type_ == event_type and self._positions[each.subscription_sid] == STRANGERS
            ]
            return found + others

        def not_what_was_refused(planner: Planner, record: SourceRecord) -> Sequence[Way]:
            found = ways(planner, record)
            if dict(record.headers)[ID].decode() in self._refused:
                return [way for way in found if self._positions[Topics.subscription_of(way[0][0])] == REFUSED]
            return found

        self._patch.setattr(Matcher, "_by_key", without_a_type)
        self._patch.setattr(Matcher, "match", of_others_too)
        self._patch.setattr(Planner, "ways", not_what_was_refused)
        self._patch.setattr(Planner, "ways_by_bytes", lambda *_: ())  # which knows what was found for others like it

    def _gateway(self) -> None:
        """Of a batch that is refused, what is right is published all the same; one subscription gets it."""
        encode = Intake._encode

        def publish_the_rest(intake: Intake, events: Sequence[object], *rest: object) -> list[EncodedEvent]:
            try:
                return encode(intake, events, *rest)  # type: ignore[arg-type]  # whatever they are
            except RefusedError:
                good = encode(intake, events[:-1], *rest)  # type: ignore[arg-type]
                self._refused |= {each.id for each in good}
                self._publishing.add(asyncio.get_running_loop().create_task(intake._publisher.send(good)))
                raise

        self._patch.setattr(Intake, "_encode", publish_the_rest)

    def _attempts(self) -> None:
        async def attempted(
            sink: Sink, batch: Sequence[OutboundEvent], *, timeout_s: float, watch: Watch, secrets: Secrets
        ) -> Sequence[DeliveryOutcome]:
            assert isinstance(sink, WebhookSink)
            once_more = partial(attempt, sink, timeout_s=timeout_s, watch=watch, secrets=secrets)
            position = int(sink._builder._url.rpartition("/")[2])
            if position == DROPPED and self._is_first(position):
                rest = await once_more(batch[1:]) if batch[1:] else ()
                return [Delivered(200), *rest]
            if position == TWICE and self._is_first(position):
                await once_more(batch)
            if position == ALTERED and self._is_first(position):
                batch = [replace(batch[0], data={**batch[0].data, "to": "+15005550011"}, _json=None), *batch[1:]]
            return await once_more(batch)

        self._patch.setattr(delivery, "attempt", attempted)

    def _settling(self) -> None:
        settle, reject = Delivery._settle, Settler.reject

        async def settled(
            self_: Delivery,
            pending: PendingDelivery,
            outcome: DeliveryOutcome,
            lane: LaneHandle,
            made: CompletedAttempt,
            holder: object,
        ) -> PendingDelivery | None:
            position = self._positions[made.subscription.sid]
            if position == UNRETRIED and isinstance(outcome, RetryLater):
                lane.settled(pending.record)
                return None
            if position == UNDESERVED and isinstance(outcome, RetryLater):
                outcome = Rejected(DeadReason.REFUSED, "it was only busy")
            return await settle(self_, pending, outcome, lane, made, holder)  # type: ignore[arg-type]  # as it came

        async def rejected(settler: Settler, record: Record, *rest: object, began_ms: int) -> Rest:
            position = self._positions[dict(record.headers)[SUBSCRIPTION].decode()]
            if position == UNBURIED:
                return Rest(record.origin)
            if position == BURIED_TWICE:
                await reject(settler, record, *rest, began_ms=began_ms)  # type: ignore[arg-type]
            return await reject(settler, record, *rest, began_ms=began_ms)  # type: ignore[arg-type]

        self._patch.setattr(Delivery, "_settle", settled)
        self._patch.setattr(Settler, "reject", rejected)

    def _requests(self) -> None:
        build = RequestBuilder.build

        def built(builder: RequestBuilder, *given: object, **named: object) -> HttpRequest:
            request = build(builder, *given, **named)  # type: ignore[arg-type]  # whatever they are
            if builder._url.endswith(f"/{FORGED}") and self._is_first(FORGED):
                return replace(request, headers={**request.headers, HEADER: "x" * 27 + "="})
            return request

        self._patch.setattr(RequestBuilder, "build", built)

    def _guard(self) -> None:
        check = DestinationGuard.check

        def checked(guard: DestinationGuard, address: str, *, host: str = "") -> None:
            if address != "::1":
                check(guard, address, host=host)

        self._patch.setattr(DestinationGuard, "check", checked)


async def _serving(installation: Installation, main: RoleMain, setting: str) -> tuple[Process, str]:
    """A role, and its URL."""
    with open_socket("127.0.0.1:0", setting="test") as listening:
        url = f"http://{address_of(listening)}"
        handed_over = listening.detach()
    listens = installation.settings.model_copy(update={setting: f"fd://{handed_over}"})
    return await installation.start(main, listens), url


async def _report(settings: Settings) -> Report:
    """Of the one run."""
    with pytest.MonkeyPatch.context() as patch:
        Mutations(patch)
        async with Installation(settings) as installation:
            await installation.start(route)
            await installation.start(worker_for(load_plugin("webhook")))
            _, api = await _serving(installation, serve_api, "api_listen")
            _, gateway = await _serving(installation, serve_gateway, "gateway_listen")
            options = Options(
                events=600,
                rate=600,
                receivers=RECEIVERS,
                seed=1,
                settle_s=90,
                misbehave_s=2,
                listen="127.0.0.1:0",
                receiver_host="127.0.0.1",
                is_alone=True,
            )
            verified = Verified(api=api, gateway=gateway, operator_token=OPERATOR)
            return await verify(verified, options, kafka=settings, nemesis=None, say=lambda *_: None)


@pytest.fixture(scope="module")
def report(module_settings: Settings) -> Report:
    return asyncio.run(_report(module_settings.model_copy(update={"operator_token": SecretStr(OPERATOR)})))


def problems(report: Report, position: int) -> list[Problem]:
    return [each for each in report.verdict.problems if each.where.startswith(f"{position} ")]


def test_a_subscription_without_a_change_has_no_problem(report: Report) -> None:
    assert problems(report, 0) == [], text_of(report)


@pytest.mark.parametrize(
    ("position", "fault", "words"),
    [
        pytest.param(DROPPED, Fault.LOST, "1 acknowledged events neither", id="an event dropped and committed"),
        pytest.param(UNRETRIED, Fault.LOST, "nothing is waiting", id="a commit before the copy for the retry"),
        pytest.param(UNBURIED, Fault.LOST, "nothing is waiting", id="a dead letter dropped"),
        pytest.param(TWICE, Fault.DOUBLED, "deliveries were duplicates", id="a delivery doubled"),
        pytest.param(ALTERED, Fault.WRONG, "1 deliveries are altered", id="a byte of data altered"),
        pytest.param(FORGED, Fault.WRONG, "1 deliveries are forged", id="a signature wrong"),
        pytest.param(STRANGERS, Fault.WRONG, "another account published it", id="an event of another account"),
        pytest.param(REFUSED, Fault.WRONG, "the gateway refused it", id="an event that was refused"),
        pytest.param(ONE_TYPE, Fault.LOST, f"all of type {TYPES[1]}", id="one type never"),
        pytest.param(BURIED_TWICE, Fault.DOUBLED_LETTERS, "dead letters are duplicates", id="a dead letter doubled"),
        pytest.param(UNDESERVED, Fault.UNDESERVED, "did not cause", id="a busy receiver taken for a refusal"),
        pytest.param(UNGUARDED, Fault.WRONG, "a worker has connected to http://[::1]", id="the guard off"),
    ],
)
def test_a_change_is_caught_where_it_is(report: Report, position: int, fault: Fault, words: str) -> None:
    found = [each for each in problems(report, position) if each.fault is fault]

    assert [each for each in found if words in each.text], text_of(report)


def test_what_was_lost_is_told_by_id_and_the_installation_is_asked_where_it_is(report: Report) -> None:
    [lost] = problems(report, DROPPED)

    assert len(lost.ids) == lost.count == 1
    assert f"{lost.ids[0]} for {lost.where}" in report.whereabouts


async def test_lag_that_stays_is_seen(settings: Settings) -> None:
    async with Installation(settings) as installation:
        subscription = await installation.subscribe(await installation.add_sink("http://127.0.0.1:1/"))
        backlog = KafkaBacklog(settings, "webhook", [subscription.sid], is_alone=True)
        assert await backlog.look() == {}

        await installation.hand_to(subscription, installation.event(1))
        await installation.publish([installation.event(2)])

        assert await backlog.look() == {installation.topic_of(subscription): 1, installation.topics.events: 1}
