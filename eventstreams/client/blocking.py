"""The blocking client of the API's extensions."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, TypeVar

from eventstreams.client import flow as flows
from eventstreams.client import jobs, models
from eventstreams.client.asynchronous import AsyncEventStreams
from eventstreams.client.connection import Connection
from eventstreams.client.fields import KEEP, Keep, Which

T = TypeVar("T")
J = TypeVar("J", bound=jobs.Job)


class EventStreams:
    """``AsyncEventStreams`` for code without an event loop; see there for its methods.

    Use as ``with``, on one thread.
    """

    def __init__(self, url: str, user: str, token: str, *, connection: Connection | None = None) -> None:
        """Take the same arguments as ``AsyncEventStreams``."""
        self._api = AsyncEventStreams(url, user, token, connection=connection)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._run(self._api.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._api.__aexit__(kind, error, trace))
        self._runner.close()

    # -- sinks -------------------------------------------------------------------------------------------------------

    def sink_delivery(self, sink_sid: str) -> models.SinkDelivery:
        return self._run(self._api.sink_delivery(sink_sid))

    def set_sink_delivery(
        self,
        sink_sid: str,
        *,
        paused: bool | None = None,
        rate_limit: float | Keep | None = KEEP,
        throttle: str | None = None,
        idempotency_key: str | None = None,
    ) -> models.SinkDelivery:
        return self._run(
            self._api.set_sink_delivery(
                sink_sid, paused=paused, rate_limit=rate_limit, throttle=throttle, idempotency_key=idempotency_key
            )
        )

    def sink_health(self, sink_sid: str) -> models.SinkHealthReport:
        return self._run(self._api.sink_health(sink_sid))

    def sink_configuration(self, sink_sid: str) -> models.SinkConfiguration:
        return self._run(self._api.sink_configuration(sink_sid))

    def set_sink_configuration(
        self, sink_sid: str, configuration: Mapping[str, object], *, idempotency_key: str | None = None
    ) -> models.SinkConfiguration:
        return self._run(self._api.set_sink_configuration(sink_sid, configuration, idempotency_key=idempotency_key))

    def send_sample(
        self,
        sink_sid: str,
        event_type: str,
        *,
        schema_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> models.Sample:
        return self._run(
            self._api.send_sample(sink_sid, event_type, schema_version=schema_version, idempotency_key=idempotency_key)
        )

    def signing_secret(self, sink_sid: str) -> models.SigningSecret:
        return self._run(self._api.signing_secret(sink_sid))

    def rotate_signing_secret(
        self, sink_sid: str, *, grace: timedelta | None = None, idempotency_key: str | None = None
    ) -> models.SigningSecret:
        return self._run(self._api.rotate_signing_secret(sink_sid, grace=grace, idempotency_key=idempotency_key))

    # -- subscriptions -----------------------------------------------------------------------------------------------

    def subscription_delivery(self, subscription_sid: str) -> models.SubscriptionDelivery:
        return self._run(self._api.subscription_delivery(subscription_sid))

    def set_subscription_delivery(
        self,
        subscription_sid: str,
        *,
        paused: bool | None = None,
        ttl: timedelta | Keep | None = KEEP,
        filter: str | Keep | None = KEEP,  # noqa: A002 - the API's own word
        retry_delays: Sequence[timedelta] | Keep | None = KEEP,
        max_attempts: int | Keep | None = KEEP,
        partitions: int | None = None,
        idempotency_key: str | None = None,
    ) -> models.SubscriptionDelivery:
        return self._run(
            self._api.set_subscription_delivery(
                subscription_sid,
                paused=paused,
                ttl=ttl,
                filter=filter,
                retry_delays=retry_delays,
                max_attempts=max_attempts,
                partitions=partitions,
                idempotency_key=idempotency_key,
            )
        )

    def retry_schedule(self, subscription_sid: str) -> models.RetrySchedule:
        return self._run(self._api.retry_schedule(subscription_sid))

    def preview_filter(
        self,
        filter: str,  # noqa: A002 - the API's own word
        *,
        types: Sequence[str] = (),
        subscription_sid: str | None = None,
        event: Mapping[str, object] | None = None,
        count: int | None = None,
    ) -> models.FilterPreview:
        return self._run(
            self._api.preview_filter(filter, types=types, subscription_sid=subscription_sid, event=event, count=count)
        )

    # -- dead letters, redrives, replays -----------------------------------------------------------------------------

    def dead_letters(self, which: Which | None = None) -> Iterator[jobs.DeadLetter]:
        return self._each(self._api.dead_letters(which))

    def dead_letter(self, dead_letter_id: str) -> jobs.DeadLetterWithData:
        return self._run(self._api.dead_letter(dead_letter_id))

    def preview_redrive(self, which: Which, *, rate: int | None = None) -> jobs.RedrivePreview:
        return self._run(self._api.preview_redrive(which, rate=rate))

    def start_redrive(
        self, which: Which, *, rate: int | None = None, idempotency_key: str | None = None
    ) -> jobs.Redrive:
        return self._run(self._api.start_redrive(which, rate=rate, idempotency_key=idempotency_key))

    def redrives(self, *, status: str | None = None) -> Iterator[jobs.Redrive]:
        return self._each(self._api.redrives(status=status))

    def redrive(self, sid: str) -> jobs.Redrive:
        return self._run(self._api.redrive(sid))

    def cancel_redrive(self, sid: str) -> jobs.Redrive:
        return self._run(self._api.cancel_redrive(sid))

    def preview_replay(self, which: Which, *, rate: int | None = None) -> jobs.ReplayPreview:
        return self._run(self._api.preview_replay(which, rate=rate))

    def start_replay(self, which: Which, *, rate: int | None = None, idempotency_key: str | None = None) -> jobs.Replay:
        return self._run(self._api.start_replay(which, rate=rate, idempotency_key=idempotency_key))

    def replays(self, *, status: str | None = None) -> Iterator[jobs.Replay]:
        return self._each(self._api.replays(status=status))

    def replay(self, sid: str) -> jobs.Replay:
        return self._run(self._api.replay(sid))

    def cancel_replay(self, sid: str) -> jobs.Replay:
        return self._run(self._api.cancel_replay(sid))

    def follow(self, job: J, *, look_s: float = 0.5) -> Iterator[J]:
        return self._each(self._api.follow(job, look_s=look_s))

    # -- delivery log ------------------------------------------------------------------------------------------------

    def attempts(
        self,
        *,
        event_id: str | None = None,
        subscription_sid: str | None = None,
        sink_sid: str | None = None,
        outcome: str | None = None,
        reason: str | None = None,
        after: datetime | None = None,
        before: datetime | None = None,
    ) -> Iterator[models.Attempt]:
        return self._each(
            self._api.attempts(
                event_id=event_id,
                subscription_sid=subscription_sid,
                sink_sid=sink_sid,
                outcome=outcome,
                reason=reason,
                after=after,
                before=before,
            )
        )

    def events(
        self, *, event_type: str | None = None, after: datetime | None = None, before: datetime | None = None
    ) -> Iterator[flows.Event]:
        return self._each(self._api.events(event_type=event_type, after=after, before=before))

    def cloud_event(self, event_id: str, *, subscription_sid: str | None = None) -> flows.CloudEventOf:
        return self._run(self._api.cloud_event(event_id, subscription_sid=subscription_sid))

    def flow(self, *, seconds: int | None = None) -> flows.Flow:
        return self._run(self._api.flow(seconds=seconds))

    def backlog(self) -> flows.Waiting:
        return self._run(self._api.backlog())

    def where_is(self, event_id: str) -> models.EventTimeline:
        return self._run(self._api.where_is(event_id))

    # -- parts -------------------------------------------------------------------------------------------------------

    def _run(self, work: Coroutine[None, None, T]) -> T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return self._runner.run(work)
        work.close()
        raise RuntimeError("an event loop is already running: use AsyncEventStreams")

    def _each(self, items: AsyncIterator[T]) -> Iterator[T]:
        async def following() -> list[T]:
            """The next item in a list, which is empty at the end."""
            try:
                return [await anext(items)]
            except StopAsyncIteration:
                return []

        while found := self._run(following()):
            yield found[0]
