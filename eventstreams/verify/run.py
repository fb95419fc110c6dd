"""A run: subscribe, publish, inflict faults, let receivers recover, wait until all is settled, judge, clean up."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import orjson

from eventstreams.client import ApiError, AsyncEventStreams
from eventstreams.errors import EventStreamsError
from eventstreams.settings import Settings
from eventstreams.verify.behaviours import BEHAVIOURS
from eventstreams.verify.calling import Caller, Calls
from eventstreams.verify.environment import Options, RunEnvironment, logins_of, open_environment
from eventstreams.verify.faults import Inflicted, Nemesis
from eventstreams.verify.inspection import Finding
from eventstreams.verify.judge import Evidence, Observed, Verdict, judge, missing
from eventstreams.verify.ledger import Count, Tally, Wrong
from eventstreams.verify.publishing import Published, Publisher
from eventstreams.verify.receiving import FINDINGS
from eventstreams.verify.settling import misbehave, settle
from eventstreams.verify.subscribing import Installation, Say
from eventstreams.verify.timeline import Sample, Timeline
from eventstreams.verify.usage import Usage, Watch

_WHERE: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run and its result.

    Attributes:
        delays: By subscription, the distribution of delays; see ``Tally.delays``.
        requests: By subscription: requests, and how many of them its receiver failed on purpose.
        calls: Results of calls of the API; None if there were none.
        settled_s: Seconds from the recovery of the receivers until everything was settled; None if it was not.
        stalled_s: The longest time that this process did not get the CPU.
        usage: What the cluster's processes and topics used, if this process has started it.
        whereabouts: Where the first missing events are, according to the installation.
        began: ``time.monotonic()`` when publishing began; times of ``inflicted`` are by the same clock.
    """

    options: Options
    run: str
    published: Published
    event_count: int
    verdict: Verdict
    inflicted: Sequence[Inflicted]
    delays: Sequence[Sequence[int]]
    requests: Sequence[tuple[int, int]]
    samples: Sequence[Sample]
    began: float
    published_s: float
    settled_s: float | None
    stalled_s: float
    whereabouts: Mapping[str, str] = field(default_factory=dict)
    calls: Calls | None = None
    usage: Usage = field(default_factory=Usage)


async def verify(
    installation: Installation,
    options: Options,
    *,
    kafka: Settings | None,
    nemesis: Nemesis | None,
    say: Say,
    follow: Callable[[Sample], None] = lambda _: None,
) -> Report:
    """Carry out a run. Everything that it created is removed at the end, even if it fails.

    Args:
        installation: What to verify.
        options: The run's parameters.
        kafka: The installation's Kafka, to read lag and dead letters from; None: the API is asked instead.
        nemesis: Inflicts faults while events are published.
        say: Called with messages about what happens.
        follow: Called with the progress, at most twice a second.

    Raises:
        EventStreamsError: the run could not be carried out, which does not mean that the installation is faulty.
    """
    async with open_environment(installation, options, kafka, say) as environment:
        publisher = Publisher(
            installation.gateway,
            environment.plan,
            environment.ledger,
            logins_of(environment.accounts),
            rate=options.rate,
            give_up_s=options.give_up_s,
        )
        caller = None
        if options.calls:
            caller = Caller(installation.api, environment.accounts.subscriber, rate=options.calls)
        timeline = Timeline(lambda: (publisher.published.acknowledged, _delivered(environment.tallies)), told=follow)
        keeping = [asyncio.create_task(timeline.keep())]
        watch = None
        if options.data is not None:
            watch = Watch(options.data, began=timeline.began)
            keeping.append(asyncio.create_task(watch.keep()))
        try:
            say("publishing", f"{options.events:,} events at {options.rate:g} per second, as {environment.plan.run}-…")
            inflicted = await _publish(publisher, nemesis, caller)
            published_s = time.monotonic() - timeline.began
            usage = Usage() if watch is None else watch.usage()  # now, while it covers only the time under load
            for each in keeping:
                if each.done():
                    each.result()  # raises its error: it should run forever
            say("published", f"{publisher.published.acknowledged:,} acknowledged in {published_s:.1f} s")
            await misbehave(environment)
            await environment.receiver_process.recover()
            settled_s = await settle(environment)
            calls = None if caller is None else caller.calls
            lasted_s = time.monotonic() - timeline.began
            evidence = await _evidence(environment, publisher.published, inflicted, lasted_s, calls)
            if options.is_soak:
                evidence = replace(evidence, growths=usage.growths)
            timeline.take()
        finally:
            for each in keeping:
                each.cancel()
        verdict = judge(evidence, most_duplicates=options.most_duplicates)
        return Report(
            options=options,
            run=environment.plan.run,
            published=publisher.published,
            event_count=sum(len(each.numbers) for each in environment.plan.batches()),
            verdict=verdict,
            inflicted=inflicted,
            delays=[tally.delays() for tally in environment.tallies],
            requests=[(tally.get(Count.REQUESTS), tally.get(Count.FAILED_ON_PURPOSE)) for tally in environment.tallies],
            samples=timeline.samples,
            began=timeline.began,
            published_s=published_s,
            settled_s=settled_s,
            stalled_s=timeline.stalled_s,
            whereabouts=await _whereabouts(environment, evidence),
            calls=calls,
            usage=usage,
        )


async def _publish(publisher: Publisher, nemesis: Nemesis | None, caller: Caller | None) -> Sequence[Inflicted]:
    """Publish everything while faults are inflicted and the API is called; returns once everything is healed."""
    stop, quiet = asyncio.Event(), asyncio.Event()
    striking = None if nemesis is None else asyncio.create_task(nemesis.run(stop))
    calling = None if caller is None else asyncio.create_task(caller.run(quiet))
    beside = [each for each in (striking, calling) if each is not None]
    try:
        await publisher.run()
        stop.set()
        inflicted = () if striking is None else await striking
        quiet.set()
        if calling is not None:
            await calling
    except BaseException:
        for each in beside:
            each.cancel()
        if beside:
            await asyncio.wait(beside)
        raise
    return inflicted


async def _evidence(
    environment: RunEnvironment,
    published: Published,
    inflicted: Sequence[Inflicted],
    lasted_s: float,
    calls: Calls | None = None,
) -> Evidence:
    waiting = await _waiting(environment)
    waiting = {
        **waiting,
        **await _unread(environment),
    }  # after the backlog: what waited a moment ago may have become a dead letter by now
    findings = _findings(environment.folder)
    return Evidence(
        plan=environment.plan,
        states=environment.ledger.states(),
        again=environment.ledger.again(),
        subscriptions=[
            Observed(
                position=position,
                name=f"{position} {name}",
                sid=made.subscription_sid,
                behaviour=BEHAVIOURS[name],
                arrivals=tally.arrivals(),
                accepted=tally.acceptances(),
                refused=tally.refusals(),
                dead=bytes(environment.dead_letters.dead[made.subscription_sid]),
                dead_letters=environment.dead_letters.records[made.subscription_sid],
                foreign_dead_letters=environment.dead_letters.foreign[made.subscription_sid],
                wrongs=tally.wrongs(),
                findings=findings.get(position, ()),
            )
            for position, (name, made, tally) in enumerate(
                zip(environment.options.receivers, environment.subscribed, environment.tallies, strict=True)
            )
        ],
        waiting=waiting,
        inflicted=inflicted,
        ttl_s=environment.ttl_s,
        lasted_s=lasted_s,
        refused=published.refused,
        taken=published.taken,
        calls_failed=calls.failed if calls else 0,
        call_failures=calls.failures if calls else (),
    )


async def _waiting(environment: RunEnvironment) -> Mapping[str, int]:
    try:
        return await environment.backlog.look()
    except EventStreamsError as error:
        return {f"unknown ({error})": 1}


async def _unread(environment: RunEnvironment) -> Mapping[str, int]:
    """Read the dead letters to their end; if that is impossible, missing events may be among them."""
    try:
        await environment.dead_letter_source.look(environment.dead_letters)
    except EventStreamsError as error:
        return {f"unknown dead letters ({error})": 1}
    return {}


def _findings(folder: Path) -> Mapping[int, Sequence[Finding]]:
    found: dict[int, list[Finding]] = {}
    for line in (folder / FINDINGS).read_bytes().splitlines():
        told = orjson.loads(line)
        finding = Finding(Wrong(told["wrong"]), told["event_id"], told["detail"])
        found.setdefault(told["position"], []).append(finding)
    return found


def _delivered(tallies: Sequence[Tally]) -> Sequence[int]:
    return [tally.get(Count.ACCEPTED) for tally in tallies]


async def _whereabouts(environment: RunEnvironment, evidence: Evidence) -> Mapping[str, str]:
    """Where the first missing events are, according to the installation, like ``eventstreams events where``."""
    found: dict[str, str] = {}
    for each in evidence.subscriptions:
        left = missing(environment.plan, evidence.states, each.position, each.accepted, each.dead)
        for number in left.first(_WHERE):
            event_id = environment.plan.id_of(number)
            found[f"{event_id} for {each.name}"] = await _where(environment.api, event_id, each.sid)
    return found


async def _where(api: AsyncEventStreams, event_id: str, subscription_sid: str) -> str:
    try:
        told = await api.where_is(event_id)
    except ApiError as error:
        return f"the API cannot tell where: {error.message}"
    for each in told.deliveries:
        if each.subscription_sid == subscription_sid:
            place = f"{each.topic}/{each.partition}/{each.offset}" if each.topic else "on no topic"
            reason = f", {each.reason}" if each.reason else ""
            return f"{each.state} at {place}, {each.attempts} attempts{reason}"
    return "the delivery log has no entry for this subscription"
