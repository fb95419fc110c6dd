"""Creates everything that a run needs, and removes it again."""

import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eventstreams.client import AsyncEventStreams
from eventstreams.settings import Settings
from eventstreams.verify.backlog import ApiBacklog, Backlog, KafkaBacklog
from eventstreams.verify.behaviours import BEHAVIOURS, Listener
from eventstreams.verify.dead_letters import ApiDeadLetters, DeadLetters, DeadLetterSource, KafkaDeadLetters
from eventstreams.verify.ledger import Ledger, Tally
from eventstreams.verify.plan import Kind, Plan
from eventstreams.verify.publishing import Login
from eventstreams.verify.receiver_process import (
    Places,
    ReceiverProcess,
    new_secret,
    open_places,
    running_receiver_process,
)
from eventstreams.verify.receivers import ReceiverSpec
from eventstreams.verify.subscribing import (
    Accounts,
    Installation,
    Say,
    Subscribed,
    Wanted,
    accounts_of,
    subscribed,
    ttl_of,
)

_SINK_TYPE: Final = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The parameters of a run.

    Attributes:
        events: How many events every subscription gets.
        rate: Events per second.
        receivers: Names of behaviours, one for each subscription.
        seed: Seed of everything that is random.
        settle_s: How long it may take until everything is settled, once receivers no longer misbehave.
        misbehave_s: How long they continue to misbehave after everything is published and every fault is healed.
        give_up_s: How long a request to the gateway is resent while its outcome is unknown.
        most_duplicates: Share of events that may arrive more than once if faults were inflicted.
        calls: Calls of the API per second while events are published; 0: none.
        listen, receiver_host, receiver_url: See ``open_places``.
        is_alone: Whether nobody else uses the installation.
        data: Where the cluster that this process has started keeps its data; None if it has started none.
        is_soak: Whether a process that grows is a problem.
    """

    events: int
    rate: float
    receivers: Sequence[str]
    seed: int
    settle_s: float
    give_up_s: float = 120.0
    misbehave_s: float = 15.0
    most_duplicates: float = 0.01
    calls: float = 0.0
    listen: str
    receiver_host: str
    receiver_url: str | None = None
    is_alone: bool = False
    data: Path | None = None
    is_soak: bool = False


@dataclass(slots=True)
class RunEnvironment:
    """Everything that belongs to a run in progress."""

    options: Options
    plan: Plan
    folder: Path
    ledger: Ledger
    tallies: Sequence[Tally]
    accounts: Accounts
    receiver_process: ReceiverProcess
    subscribed: Sequence[Subscribed]
    dead_letters: DeadLetters
    dead_letter_source: DeadLetterSource
    backlog: Backlog
    api: AsyncEventStreams
    ttl_s: float


@asynccontextmanager
async def open_environment(
    installation: Installation, options: Options, kafka: Settings | None, say: Say
) -> AsyncIterator[RunEnvironment]:
    """Create everything that a run needs, and remove it on exit."""
    run = f"vf{secrets.token_hex(4)}"
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="eventstreams-verify-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        listeners = {BEHAVIOURS[name].listener for name in options.receivers}
        places = open_places(folder, listeners, options.listen, host=options.receiver_host, url=options.receiver_url)
        stack.callback(places.close)
        accounts = await stack.enter_async_context(accounts_of(installation, say))
        plan = Plan.of(run, options.events, with_other_account=accounts.other_account is not None)
        ledger = Ledger(folder, plan, new=True)
        tallies = [Tally(folder, position, plan, new=True) for position in range(len(options.receivers))]
        wanted = _wanted(options, places)
        api = await stack.enter_async_context(
            AsyncEventStreams(installation.api, accounts.subscriber.account_sid, accounts.subscriber.auth_token)
        )
        made = await stack.enter_async_context(subscribed(installation, accounts.subscriber, wanted, say))
        ttl_s = (await ttl_of(api, made)).total_seconds()
        specs = _specs(options, wanted, accounts.subscriber, ttl_s)
        receiver_process = await stack.enter_async_context(running_receiver_process(folder, plan, specs, places))
        say(
            "subscribed",
            f"{len(made)} receivers at {places.urls[Listener.PLAIN]}: {', '.join(each.name for each in wanted)}",
        )
        sids = [each.subscription_sid for each in made]
        if kafka is None:
            dead_letter_source: DeadLetterSource = ApiDeadLetters(api, sids)
            backlog: Backlog = ApiBacklog(api, [each.sink_sid for each in made])
        else:
            dead_letter_source = KafkaDeadLetters(kafka, _SINK_TYPE)
            await dead_letter_source.begin()
            backlog = KafkaBacklog(kafka, _SINK_TYPE, sids, is_alone=options.is_alone)
        dead_letters = DeadLetters(plan, sids)
        yield RunEnvironment(
            options,
            plan,
            folder,
            ledger,
            tallies,
            accounts,
            receiver_process,
            made,
            dead_letters,
            dead_letter_source,
            backlog,
            api,
            ttl_s,
        )


def _wanted(options: Options, places: Places) -> Sequence[Wanted]:
    """The sinks to create; every second one signs in both schemes."""
    found = []
    for position, name in enumerate(options.receivers):
        behaviour = BEHAVIOURS[name]
        found.append(
            Wanted(
                f"{position} {name}",
                behaviour,
                places.destination(position, behaviour.listener),
                places.authority,
                new_secret() if position % 2 == 0 else None,
            )
        )
    return found


def _specs(options: Options, wanted: Sequence[Wanted], subscriber: Login, ttl_s: float) -> Sequence[ReceiverSpec]:
    return [
        ReceiverSpec(
            behaviour=name,
            url=each.destination,
            auth_token=subscriber.auth_token,
            standard_secret=each.standard_secret,
            account_sid=subscriber.account_sid,
            ttl_s=ttl_s if each.behaviour.ttl is None else each.behaviour.ttl.total_seconds(),
            seed=options.seed,
        )
        for name, each in zip(options.receivers, wanted, strict=True)
    ]


def logins_of(accounts: Accounts) -> Mapping[Kind, Login]:
    """Who publishes events of each kind."""
    found = dict.fromkeys(Kind, accounts.subscriber)
    if accounts.other_account is not None:
        found[Kind.OTHER_ACCOUNT] = accounts.other_account
    return found
