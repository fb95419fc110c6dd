"""The asynchronous client of the API's extensions."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from eventstreams.client import flow as flows
from eventstreams.client import jobs, models
from eventstreams.client.connection import Connection, Fields, Json
from eventstreams.client.errors import ApiError
from eventstreams.client.fields import KEEP, Keep, Which, given, json_text, moment, paged, repeated, seconds, truth

_LOOK_S: Final = 0.5
M = TypeVar("M", bound=models.Model)
J = TypeVar("J", bound=jobs.Job)


class AsyncEventStreams:
    """The API's extensions, for one account. Use as ``async with``.

    Every call raises ``ApiError`` if it is refused, or not answered after several attempts. Every change is sent with
    an idempotency key, so that resending it does not repeat it.
    """

    def __init__(self, url: str, user: str, token: str, *, connection: Connection | None = None) -> None:
        """Connect at the first request.

        Args:
            url: Address of the API, such as ``https://events.example.com``.
            user: The SID of the account or of an API key.
            token: The account's auth token, or the key's secret.
            connection: To use instead of a new one to ``url``.
        """
        self.connection = Connection(url, user, token) if connection is None else connection

    async def __aenter__(self) -> Self:
        await self.connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.connection.__aexit__(kind, error, trace)

    # -- sinks -------------------------------------------------------------------------------------------------------

    async def sink_delivery(self, sink_sid: str) -> models.SinkDelivery:
        """The delivery settings of a sink."""
        return await self._get(models.SinkDelivery, f"/v1/Sinks/{_named(sink_sid)}/Delivery")

    async def set_sink_delivery(
        self,
        sink_sid: str,
        *,
        paused: bool | None = None,
        rate_limit: float | Keep | None = KEEP,
        throttle: str | None = None,
        idempotency_key: str | None = None,
    ) -> models.SinkDelivery:
        """Change the delivery settings that are given. ``rate_limit``: events per second; None: no limit."""
        limit = None if rate_limit is KEEP else "" if rate_limit is None else str(rate_limit)
        fields = given(Paused=truth(paused), RateLimit=limit, Throttle=throttle)
        return await self._post(models.SinkDelivery, f"/v1/Sinks/{_named(sink_sid)}/Delivery", fields, idempotency_key)

    async def sink_health(self, sink_sid: str) -> models.SinkHealthReport:
        """The health of a sink: its state, its last error in words, what waits."""
        return await self._get(models.SinkHealthReport, f"/v1/Sinks/{_named(sink_sid)}/Health")

    async def sink_configuration(self, sink_sid: str) -> models.SinkConfiguration:
        """The configuration of a sink, without its secrets."""
        return await self._get(models.SinkConfiguration, f"/v1/Sinks/{_named(sink_sid)}/Configuration")

    async def set_sink_configuration(
        self, sink_sid: str, configuration: Mapping[str, object], *, idempotency_key: str | None = None
    ) -> models.SinkConfiguration:
        """Replace the configuration of a sink. Secrets that are left out stay as they are; null removes one."""
        fields = given(SinkConfiguration=json_text(configuration))
        path = f"/v1/Sinks/{_named(sink_sid)}/Configuration"
        return await self._post(models.SinkConfiguration, path, fields, idempotency_key)

    async def send_sample(
        self,
        sink_sid: str,
        event_type: str,
        *,
        schema_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> models.Sample:
        """Send one event, with its schema's example as data, to a sink. The default version is the newest."""
        fields = given(Type=event_type, SchemaVersion=None if schema_version is None else str(schema_version))
        return await self._post(models.Sample, f"/v1/Sinks/{_named(sink_sid)}/Samples", fields, idempotency_key)

    async def signing_secret(self, sink_sid: str) -> models.SigningSecret:
        """What receivers need in order to check the signatures of a sink."""
        return await self._get(models.SigningSecret, f"/v1/Sinks/{_named(sink_sid)}/SigningSecret")

    async def rotate_signing_secret(
        self, sink_sid: str, *, grace: timedelta | None = None, idempotency_key: str | None = None
    ) -> models.SigningSecret:
        """Replace the signing secret; the old one also signs for ``grace``, a day by default."""
        fields = given(GraceSeconds=seconds(grace))
        return await self._post(
            models.SigningSecret, f"/v1/Sinks/{_named(sink_sid)}/SigningSecret", fields, idempotency_key
        )

    # -- subscriptions -----------------------------------------------------------------------------------------------

    async def subscription_delivery(self, subscription_sid: str) -> models.SubscriptionDelivery:
        """The delivery settings of a subscription."""
        return await self._get(models.SubscriptionDelivery, f"/v1/Subscriptions/{_named(subscription_sid)}/Delivery")

    async def set_subscription_delivery(
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
        """Change the delivery settings that are given.

        ``ttl`` None: as long as the installation allows; ``filter`` None: everything is delivered. ``retry_delays``:
        the longest wait after the first, second, … attempt, None: the installation's; ``max_attempts`` None: limited
        only by the deadline. ``partitions`` of its topic can only grow.
        """
        fields = given(
            Paused=truth(paused),
            Ttl=None if isinstance(ttl, Keep) else seconds(ttl) or "",
            Filter=None if isinstance(filter, Keep) else filter or "",
            RetryDelays=None if isinstance(retry_delays, Keep) else _delays(retry_delays),
            MaxAttempts=None if isinstance(max_attempts, Keep) else "" if max_attempts is None else str(max_attempts),
            Partitions=None if partitions is None else str(partitions),
        )
        path = f"/v1/Subscriptions/{_named(subscription_sid)}/Delivery"
        return await self._post(models.SubscriptionDelivery, path, fields, idempotency_key)

    async def retry_schedule(self, subscription_sid: str) -> models.RetrySchedule:
        """When an event accepted now would be attempted if all attempts failed."""
        return await self._get(models.RetrySchedule, f"/v1/Subscriptions/{_named(subscription_sid)}/RetrySchedule")

    async def preview_filter(
        self,
        filter: str,  # noqa: A002 - the API's own word
        *,
        types: Sequence[str] = (),
        subscription_sid: str | None = None,
        event: Mapping[str, object] | None = None,
        count: int | None = None,
    ) -> models.FilterPreview:
        """Try ``filter`` on the latest events of ``types`` or of a subscription, or on ``event``.

        ``event`` is a sample with a ``type`` and ``data``; ``count``: how many events to show.
        """
        fields = [
            ("Filter", filter),
            *repeated("Types", [json_text({"type": each}) for each in types]),
            *given(
                SubscriptionSid=subscription_sid,
                Event=None if event is None else json_text(event),
                Count=None if count is None else str(count),
            ),
        ]
        return await self._preview(models.FilterPreview, "/v1/FilterPreviews", fields)

    # -- dead letters, redrives, replays -----------------------------------------------------------------------------

    def dead_letters(self, which: Which | None = None) -> AsyncIterator[jobs.DeadLetter]:
        """Dead letters, newest first, over all pages, without their data."""
        return self._all(jobs.DeadLetter, "/v1/DeadLetters", "dead_letters", (which or Which()).fields())

    async def dead_letter(self, dead_letter_id: str) -> jobs.DeadLetterWithData:
        """One dead letter with its data."""
        return await self._get(jobs.DeadLetterWithData, f"/v1/DeadLetters/{_named(dead_letter_id)}")

    async def preview_redrive(self, which: Which, *, rate: int | None = None) -> jobs.RedrivePreview:
        """What a redrive would do now."""
        return await self._preview(jobs.RedrivePreview, "/v1/Redrives/Preview", _job(which, rate))

    async def start_redrive(
        self, which: Which, *, rate: int | None = None, idempotency_key: str | None = None
    ) -> jobs.Redrive:
        """Put dead letters on their subscriptions' topics again, at most ``rate`` per second."""
        return await self._post(jobs.Redrive, "/v1/Redrives", _job(which, rate), idempotency_key)

    def redrives(self, *, status: str | None = None) -> AsyncIterator[jobs.Redrive]:
        """Redrives, oldest first, over all pages."""
        return self._all(jobs.Redrive, "/v1/Redrives", "redrives", given(Status=status))

    async def redrive(self, sid: str) -> jobs.Redrive:
        """A redrive and its progress."""
        return await self._get(jobs.Redrive, f"/v1/Redrives/{_named(sid)}")

    async def cancel_redrive(self, sid: str) -> jobs.Redrive:
        """Cancel a redrive. What it has copied stays."""
        return await self._post(jobs.Redrive, f"/v1/Redrives/{_named(sid)}", _CANCEL)

    async def preview_replay(self, which: Which, *, rate: int | None = None) -> jobs.ReplayPreview:
        """What a replay would do now. ``which`` must have a ``subscription_sid`` and ``after``."""
        return await self._preview(jobs.ReplayPreview, "/v1/Replays/Preview", _job(which, rate))

    async def start_replay(
        self, which: Which, *, rate: int | None = None, idempotency_key: str | None = None
    ) -> jobs.Replay:
        """Put accepted events on a subscription's topic again. ``which`` is as for ``preview_replay``."""
        return await self._post(jobs.Replay, "/v1/Replays", _job(which, rate), idempotency_key)

    def replays(self, *, status: str | None = None) -> AsyncIterator[jobs.Replay]:
        """Replays, oldest first, over all pages."""
        return self._all(jobs.Replay, "/v1/Replays", "replays", given(Status=status))

    async def replay(self, sid: str) -> jobs.Replay:
        """A replay and its progress."""
        return await self._get(jobs.Replay, f"/v1/Replays/{_named(sid)}")

    async def cancel_replay(self, sid: str) -> jobs.Replay:
        """Cancel a replay. What it has copied stays."""
        return await self._post(jobs.Replay, f"/v1/Replays/{_named(sid)}", _CANCEL)

    async def follow(self, job: J, *, look_s: float = _LOOK_S) -> AsyncIterator[J]:
        """Yield ``job``, and again whenever it has changed, until it is finished. Asks every ``look_s`` seconds."""
        path = "/v1/Redrives" if isinstance(job, jobs.Redrive) else "/v1/Replays"
        yield job
        while not job.finished:
            await asyncio.sleep(look_s)
            now = await self._get(type(job), f"{path}/{_named(job.sid)}")
            if now != job:
                job = now
                yield job

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
    ) -> AsyncIterator[models.Attempt]:
        """The delivery log, newest first, over all pages. ``outcome`` "failed": every entry but deliveries."""
        fields = given(
            EventId=event_id,
            SubscriptionSid=subscription_sid,
            SinkSid=sink_sid,
            Outcome=outcome,
            Reason=reason,
            After=moment(after),
            Before=moment(before),
        )
        return self._all(models.Attempt, "/v1/Attempts", "attempts", fields)

    def events(
        self, *, event_type: str | None = None, after: datetime | None = None, before: datetime | None = None
    ) -> AsyncIterator[flows.Event]:
        """Accepted events, newest first, over all pages, without their data."""
        fields = given(Type=event_type, After=moment(after), Before=moment(before))
        return self._all(flows.Event, "/v1/Events", "events", fields)

    async def cloud_event(self, event_id: str, *, subscription_sid: str | None = None) -> flows.CloudEventOf:
        """An event with its data: as it was published, or as a subscription gets it."""
        wanted = "" if subscription_sid is None else f"?SubscriptionSid={_named(subscription_sid)}"
        return await self._get(flows.CloudEventOf, f"/v1/Events/{_named(event_id)}/CloudEvent{wanted}")

    async def flow(self, *, seconds: int | None = None) -> flows.Flow:
        """How many events of each type came in, and how many went where, in the last ``seconds``."""
        return await self._get(flows.Flow, "/v1/Flow" if seconds is None else f"/v1/Flow?Seconds={seconds:d}")

    async def backlog(self) -> flows.Waiting:
        """How much waits for its first attempt, by subscription."""
        return await self._get(flows.Waiting, "/v1/Backlog")

    async def where_is(self, event_id: str) -> models.EventTimeline:
        """Where an event is for each subscription, why, and when it is attempted next."""
        return await self._get(models.EventTimeline, f"/v1/Events/{_named(event_id)}")

    # -- parts -------------------------------------------------------------------------------------------------------

    async def _get(self, model: type[M], path: str) -> M:
        return _read(model, await self.connection.get(path))

    async def _post(self, model: type[M], path: str, fields: Fields, key: str | None = None) -> M:
        return _read(model, await self.connection.post(path, fields, key=key))

    async def _preview(self, model: type[M], path: str, fields: Fields) -> M:
        return _read(model, await self.connection.preview(path, fields))

    async def _all(self, model: type[M], path: str, key: str, fields: Fields) -> AsyncIterator[M]:
        async for item in self.connection.pages(path, key, paged(fields)):
            yield _read(model, item)


_CANCEL: Final = (("Status", "cancelling"),)


def _delays(delays: Sequence[timedelta] | None) -> str:
    return ",".join(f"{delay / timedelta(milliseconds=1):.0f}ms" for delay in delays or ())


def _named(text: str) -> str:
    """``text`` escaped as one segment of a path."""
    return quote(text, safe="")


def _job(which: Which, rate: int | None) -> Fields:
    return [*which.fields(), *given(Rate=None if rate is None else str(rate))]


def _read(model: type[M], told: Json) -> M:
    try:
        return model.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ApiError(
            f"the API's answer contains something that this release does not know: {where}: {first['msg']}"
        ) from None
