"""Writes a backup to the control topic, as the only process that writes, in the place of the API's primary.

An import competes for the same seat as the API's processes, and uses their transactional id. So what ADR 0009 says of
two processes also holds for an import and a process: only one can write, and one that has lost the seat is fenced.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from control_api.audit.entry import ActorType, AuditEvent
from control_api.audit.entry import encode as encode_audit
from control_api.backup.document import Backup, BackupError
from control_api.backup.plan import Plan, counted, plan
from control_api.replicas.writing import put_record
from eventstreams.control.feed import ControlFeed
from eventstreams.control.records import Resource
from eventstreams.control.reseal import resealed, secrets_of
from eventstreams.control.snapshot import Snapshot
from eventstreams.control.vault import Vault
from eventstreams.errors import SettingsError, TopicError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.seat import SESSION_S, GroupSeat
from eventstreams.kafka.transaction import Fenced, Outgoing, TransactionalProducer, Unwritten, Written
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid
from eventstreams.times import now_ms
from eventstreams.topics import Topics

_SEAT_S: Final = SESSION_S + 9.0  # a dead process keeps the seat for its session; then a new member gets it
_FEED_S: Final = 60.0  # 120,000 records take 5 s
_AT_ONCE: Final = 500  # records of a transaction, which must take only seconds; topics in one request to Kafka
_SUCCESS: Final = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How to import.

    Attributes:
        into_existing: Add to an installation that is not empty.
        reseal: Re-encrypt the secrets with the first key.
        dry_run: Write nothing.
    """

    into_existing: bool = False
    reseal: bool = False
    dry_run: bool = False


async def restore(settings: Settings, backup: Backup, options: ImportOptions, *, say: Callable[[str], None]) -> Plan:
    """Import ``backup``; return what was done, or, in a dry run, would be.

    Each transaction is written completely or not at all, accounts before what they own. What an interrupted import has
    written remains; another import ``into_existing`` completes it.

    Raises:
        BackupError: the backup does not fit what is there, or a process of the API is running.
        SettingsError: no key decrypts one of the secrets.
        BrokerUnreachableError: no broker answers.
        TopicError: Kafka refused.
    """
    vault, admin, topics = Vault(settings), KafkaAdmin(settings), Topics(settings)
    backup = replace(backup, resources=list(_opened(backup.resources, vault, reseal=options.reseal)))
    await admin.wait_for_broker()
    if options.dry_run:
        # No topic is created: without a control topic, the installation is empty.
        if topics.control not in await admin.topics():
            return _planned(backup, None, options, settings)
        async with _following(settings) as feed:
            return _planned(backup, feed, options, settings)
    await admin.ensure(topics.base_specs())
    async with _alone(settings, topics) as producer, _following(settings) as feed:
        planned = _planned(backup, feed, options, settings)
        if planned.writes:
            specs = [
                topics.subscription_spec(each.sink_type, each.sid, partitions=each.partitions)
                for each in planned.subscriptions
            ]
            for some in _slices(specs):
                await admin.ensure(some)
            await admin.grow(specs)
            say(f"{len(specs)} subscription topics exist")
            await _write(producer, topics, planned.writes, say)
        return planned


def _planned(backup: Backup, feed: ControlFeed | None, options: ImportOptions, settings: Settings) -> Plan:
    there = Snapshot() if feed is None else feed.snapshot
    return plan(backup, there, into_existing=options.into_existing, most_partitions=settings.most_partitions)


def _opened(resources: Iterable[Resource], vault: Vault, *, reseal: bool) -> Iterable[Resource]:
    for each in resources:
        try:
            for purpose, secret in secrets_of(each):
                _ = vault.unlock(secret, purpose, each.sid)
        except SettingsError as error:
            raise SettingsError(f"{each.sid}: {error}") from None
        yield resealed(each, vault) if reseal else each


@asynccontextmanager
async def _following(settings: Settings) -> AsyncIterator[ControlFeed]:
    """Follow the control topic. The snapshot contains at least everything that was on it at the start."""
    crashed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(_FEED_S):
                feed = ControlFeed(settings, on_crash=crashed.set_exception)
                await stack.enter_async_context(feed)
        except TimeoutError:
            raise BackupError(f"the control topic was not read within {_FEED_S:g} s: try again") from None
        yield feed
        if crashed.done():
            crashed.result()


@asynccontextmanager
async def _alone(settings: Settings, topics: Topics) -> AsyncIterator[TransactionalProducer]:
    """The only producer that can write the control topic, until the block ends or somebody else takes the seat.

    Raises:
        BackupError: another process has the seat.
        TopicError: Kafka allows no transactions.
    """
    seated: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def end(error: BaseException | None) -> None:
        if not seated.done():
            seated.set_result(None) if error is None else seated.set_exception(error)

    seat = GroupSeat(
        settings,
        group=topics.group("api"),
        topic=topics.control,
        on_taken=lambda: end(None),
        on_lost=lambda: None,  # the one that takes it fences our producer, which the next write reports
        on_crash=end,
    )
    async with seat, TransactionalProducer(settings, topics.group("api.primary")) as producer:
        try:
            await asyncio.wait_for(seated, _SEAT_S)
        except TimeoutError:
            raise BackupError(
                "an API process is running, and only one process may write: stop all of them, import, then start "
                "them again"
            ) from None
        opened = await producer.open()
        if isinstance(opened, Unwritten):
            raise TopicError(f"Kafka does not start transactions: {opened.text}")
        yield producer


async def _write(
    producer: TransactionalProducer, topics: Topics, resources: Sequence[Resource], say: Callable[[str], None]
) -> None:
    event = AuditEvent(
        sid=new_sid(SidKind.AUDIT_EVENT),
        at_ms=now_ms(),
        actor_type=ActorType.OPERATOR,
        actor_sid=None,
        accounts=(),
        method="IMPORT",
        route="eventstreams control import",
        resource_sid=None,
        fields=(),
        source="",
    )
    await _commit(producer, [Outgoing(topics.audit, encode_audit(event))], done=0)
    done = 0
    for some in _slices(resources):
        records = [put_record(topics.control, each) for each in some]
        last = done + len(some) == len(resources)
        told = [Outgoing(topics.audit, encode_audit(replace(event, status=_SUCCESS)))] if last else []
        await _commit(producer, [*records, *told], done=done)
        done += len(some)
        say(f"{done} of {len(resources)} records written, most recently {counted(some[-1:])}")


async def _commit(producer: TransactionalProducer, records: Sequence[Outgoing], *, done: int) -> None:
    then = f"{done} records were written before that: import again with --into-existing"
    match await producer.write(records):
        case Written():
            return
        case Fenced():
            raise BackupError(f"an API process took over; {then}, once all of them are stopped")
        case Unwritten(text=text):
            raise TopicError(f"Kafka did not accept the records: {text}; {then}")


def _slices(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[at : at + _AT_ONCE] for at in range(0, len(items), _AT_ONCE))
