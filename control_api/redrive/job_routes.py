"""``/v1/Redrives`` and ``/v1/Replays``: preview, create, fetch, list, cancel. An extension."""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from aiohttp import web

from control_api.http.answers import json_answer, list_answer, timestamp
from control_api.http.forms import Form, read_form_or_json
from control_api.plane import PLANE, ControlPlane
from control_api.redrive.jobs import Job, JobKind, Order, Progress
from control_api.redrive.parameters import REDRIVE, REPLAY, Parameters
from control_api.redrive.selection import Selection
from control_api.redrive.service import REDRIVES, Preview, RedriveService
from eventstreams.client.values import JobStatus, SkipReason
from eventstreams.http import ACCOUNT, RefusedError, not_found
from eventstreams.sids import SidKind, new_sid

PATHS: Final = {JobKind.REDRIVE: "/v1/Redrives", JobKind.REPLAY: "/v1/Replays"}
KEYS: Final = {JobKind.REDRIVE: "redrives", JobKind.REPLAY: "replays"}
_COPIED: Final = {JobKind.REDRIVE: "redriven", JobKind.REPLAY: "replayed"}
_FAILED_CODE: Final = 93100  # the reference's "Replay failed"
_MAX_UNFINISHED: Final = 10  # jobs per account: they share eight slots with everybody else's
_MAX_FINISHED: Final = 100  # jobs per account that are remembered
_MAX_SHOWN: Final = 1000


class JobRoutes:
    """The routes of one kind of job."""

    def __init__(self, kind: JobKind) -> None:
        self._kind = kind

    async def preview(self, request: web.Request) -> web.Response:
        """Answer with what a job with the same parameters would do now. Changes nothing."""
        order = await self._order(request)
        return json_answer(show_preview(order, await request.app[REDRIVES].preview(order)))

    async def create(self, request: web.Request) -> web.Response:
        """Submit a job. It works on what exists now, and ends by itself."""
        redrives, account = request.app[REDRIVES], request[ACCOUNT]
        order = await self._order(request)
        async with request.app[PLANE].writing:
            self._check_limits(redrives, order)
            for job in [job for job in redrives.jobs.jobs_of(account.sid) if job.finished][: 1 - _MAX_FINISHED]:
                await redrives.writer.forget(job.order.sid)
            await redrives.writer.submit(order)
        return json_answer(self._show(request, Job(order)), status=HTTPStatus.CREATED)

    async def fetch(self, request: web.Request) -> web.Response:
        """Answer with a job and its progress."""
        return json_answer(self._show(request, self._find(request)))

    async def list_all(self, request: web.Request) -> web.Response:
        """List the account's jobs, oldest first; filter ``Status``."""
        filters = {name: request.query[name] for name in ("Status",) if name in request.query}
        jobs = [job for job in request.app[REDRIVES].jobs.jobs_of(request[ACCOUNT].sid) if job.order.kind is self._kind]
        if "Status" in filters:
            if filters["Status"] not in list(JobStatus):
                raise RefusedError(f"Status must be one of {', '.join(JobStatus)}")
            jobs = [job for job in jobs if job.status == filters["Status"]]
        return list_answer(
            request,
            jobs,
            key=KEYS[self._kind],
            filters=filters,
            position=lambda job: job.position,
            show=lambda job: self._show(request, job),
        )

    async def update(self, request: web.Request) -> web.Response:
        """Cancel a job: ``Status=cancelling``. What it has copied remains. Idempotent."""
        redrives, job, form = request.app[REDRIVES], self._find(request), await read_form_or_json(request)
        if form.required("Status") != JobStatus.CANCELLING:
            raise RefusedError(f"Status can be set to {JobStatus.CANCELLING} only")
        if job.finished:
            raise RefusedError(f"The job is already {job.status}", status=HTTPStatus.CONFLICT)
        if not job.cancelled:
            await redrives.writer.cancel(job.order.sid)
        return json_answer(self._show(request, replace(job, cancelled=True)))

    # -- parts -----------------------------------------------------------------------------------------------

    async def _order(self, request: web.Request) -> Order:
        """Make the order from the form in ``request``."""
        redrives, account = request.app[REDRIVES], request[ACCOUNT]
        form = await read_form_or_json(request)
        of_dead_letters = self._kind is JobKind.REDRIVE
        given = Parameters.check(form.fields, REDRIVE if of_dead_letters else REPLAY)
        selection = given.selection(account.sid, of_dead_letters=of_dead_letters)
        if of_dead_letters:
            _check_redrive(selection, form, request.app[PLANE])
        else:
            selection = _replay(selection, form, request.app[PLANE])
        return Order(
            sid=new_sid(SidKind.JOB),
            kind=self._kind,
            selection=selection,
            ranges=await redrives.ranges(self._kind, selection),
            rate=given.rate(),
            created_ms=redrives.clock(),
        )

    def _check_limits(self, redrives: RedriveService, order: Order) -> None:
        account_sid = order.selection.account_sid
        there = [*redrives.jobs.jobs_of(account_sid), *(Job(each) for each in redrives.writer.staged())]
        unfinished = [job for job in there if not job.finished and job.order.selection.account_sid == account_sid]
        if len(unfinished) >= _MAX_UNFINISHED:
            raise RefusedError(
                f"The account has {_MAX_UNFINISHED} unfinished jobs, which is the maximum: wait, or cancel one",
                status=HTTPStatus.CONFLICT,
            )
        for job in unfinished:
            if (job.order.kind, job.order.selection) == (order.kind, order.selection):
                raise RefusedError(
                    f"Job {job.order.sid} has the same selection and is {job.status}: wait for it, or cancel it",
                    status=HTTPStatus.CONFLICT,
                )

    def _find(self, request: web.Request) -> Job:
        job = request.app[REDRIVES].jobs.jobs.get(request.match_info["sid"])
        if job is None or job.order.selection.account_sid != request[ACCOUNT].sid or job.order.kind is not self._kind:
            raise not_found(request)
        return job

    def _show(self, request: web.Request, job: Job) -> dict[str, object]:
        order, progress = job.order, job.progress
        problem = None if job.finished else request.app[REDRIVES].runner.problem(order.sid)
        return {
            "sid": order.sid,
            "account_sid": order.selection.account_sid,
            "status": job.status,
            "selection": show_selection(order.selection),
            "rate": order.rate,
            **_counts(self._kind, progress),
            "looked_through": round(job.looked_through, 4),
            "waiting_because": problem,
            "error_code": _FAILED_CODE if job.status is JobStatus.FAILED else None,
            "error_message": progress.detail if progress is not None and progress.detail else None,
            "date_created": timestamp(order.created_ms),
            "date_started": None if progress is None else timestamp(progress.started_ms),
            "date_updated": timestamp(order.created_ms if progress is None else progress.updated_ms),
            "url": request.app[PLANE].url(request, f"{PATHS[self._kind]}/{order.sid}"),
        }


def show_selection(selection: Selection) -> Mapping[str, object]:
    """The selection as it was requested; None and empty lists mean any."""
    return {
        "subscription_sid": selection.subscription_sid,
        "types": list(selection.types),
        "event_ids": list(selection.event_ids),
        "reasons": list(selection.reasons),
        "codes": list(selection.codes),
        "dead_letter_ids": list(selection.dead_letter_ids),
        "after": None if selection.after_ms is None else timestamp(selection.after_ms),
        "filter": selection.expression,
        "before": None if selection.before_ms is None else timestamp(selection.before_ms),
    }


def show_preview(order: Order, preview: Preview) -> Mapping[str, object]:
    """The preview as the API shows it; if ``complete`` is false, there may be more than was counted."""
    return {
        "selection": show_selection(order.selection),
        "rate": order.rate,
        "selected": preview.selected,
        _COPIED[order.kind]: preview.copied,
        "skipped": _plain(preview.skipped),
        "oldest": None if preview.oldest_ms is None else timestamp(preview.oldest_ms),
        "newest": None if preview.newest_ms is None else timestamp(preview.newest_ms),
        "expected_minutes": round(preview.copied / order.rate / 60, 2),
        "complete": preview.complete,
    }


def _counts(kind: JobKind, progress: Progress | None) -> Mapping[str, object]:
    if progress is None:
        return {"selected": 0, _COPIED[kind]: 0, "skipped": {}}
    return {
        "selected": progress.selected,
        _COPIED[kind]: progress.copied,
        "skipped": _plain(progress.skipped),
    }


def _plain(skipped: Mapping[SkipReason, int]) -> Mapping[str, int]:
    return {reason.value: count for reason, count in skipped.items()}


def _check_redrive(selection: Selection, form: Form, plane: ControlPlane) -> None:
    if selection.takes_all:
        names = ", ".join(name for name in REDRIVE if name != "Rate")
        raise RefusedError(f"Select what to redrive with one or more of {names}{form.note}")
    sid = selection.subscription_sid
    if sid is not None and plane.subscription_of(selection.account_sid, sid) is None:
        raise _no_subscription(
            sid, ". If it was deleted, its dead letters cannot be redriven: replay its events into another subscription"
        )


def _replay(selection: Selection, form: Form, plane: ControlPlane) -> Selection:
    """Check ``selection``; without types, it gets all types of its subscription."""
    form.required("After")
    sid = form.required("SubscriptionSid")
    subscription = plane.subscription_of(selection.account_sid, sid)
    if subscription is None or selection.after_ms is None:
        raise _no_subscription(sid)
    types = tuple(each.type for each in subscription.types)
    if strange := next((each for each in selection.types if each not in types), None):
        raise RefusedError(f"The subscription does not include {strange}: it includes {', '.join(types)[:_MAX_SHOWN]}")
    return replace(selection, types=selection.types or types)


def _no_subscription(sid: str, hint: str = "") -> RefusedError:
    return RefusedError(f"Subscription {sid} was not found{hint}", status=HTTPStatus.NOT_FOUND)
