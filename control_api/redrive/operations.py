"""The declared operations of redrives and replays."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from control_api.http.declared import Listed, One, Operation, choice, refused_with, sid
from control_api.redrive.declared import of_names
from control_api.redrive.job_routes import KEYS, PATHS, JobRoutes
from control_api.redrive.jobs import JobKind
from control_api.redrive.parameters import REDRIVE, REPLAY
from eventstreams.client import jobs as models
from eventstreams.client.values import JobStatus
from eventstreams.http import ErrorCode
from eventstreams.sids import SidKind

_NO_SUBSCRIPTION: Final = refused_with(ErrorCode.NOT_FOUND)
_CONFLICT: Final = refused_with(ErrorCode.CONFLICT)


def operations(kind: JobKind) -> Sequence[Operation]:
    """The operations of one kind of job: preview, create, list, fetch, cancel."""
    routes, path, group, title = JobRoutes(kind), PATHS[kind], f"{kind.capitalize()}s", kind.capitalize()
    if kind is JobKind.REDRIVE:
        made, preview = One(models.Redrive), One(models.RedrivePreview)
        what, form = (
            "Copies dead letters back to their own subscriptions; select them by at least one parameter.",
            of_names(REDRIVE),
        )
    else:
        made, preview = One(models.Replay), One(models.ReplayPreview)
        what = "Copies accepted events to one subscription."
        form = tuple(each.needed if each.name in {"SubscriptionSid", "After"} else each for each in of_names(REPLAY))
    by_sid = f"{path}/{{sid}}"
    names = (sid("sid", f"SID of a {kind}.", SidKind.JOB),)
    return (
        Operation(
            name=f"Preview{title}",
            method="POST",
            path=f"{path}/Preview",
            handler=routes.preview,
            group=group,
            summary=f"Preview a {kind}",
            description=f"{what} Changes nothing.",
            form=form,
            answer=preview,
            refusals=_NO_SUBSCRIPTION,
        ),
        Operation(
            name=f"Create{title}",
            method="POST",
            path=path,
            handler=routes.create,
            group=group,
            summary=f"Start a {kind}",
            description=f"{what} The job covers what exists now, and ends by itself.",
            form=form,
            answer=made,
            statuses=(HTTPStatus.CREATED,),
            refusals=(*_NO_SUBSCRIPTION, *_CONFLICT),
        ),
        Operation(
            name=f"List{title}",
            method="GET",
            path=path,
            handler=routes.list_all,
            group=group,
            summary=f"List {kind}s",
            description="Oldest first.",
            query=(choice("Status", "Only those with this status.", JobStatus),),
            answer=Listed(KEYS[kind], made.model),
        ),
        Operation(
            name=f"Fetch{title}",
            method="GET",
            path=by_sid,
            handler=routes.fetch,
            group=group,
            summary=f"Fetch the progress of a {kind}",
            names=names,
            answer=made,
        ),
        Operation(
            name=f"Update{title}",
            method="POST",
            path=by_sid,
            handler=routes.update,
            group=group,
            summary=f"Cancel a {kind}",
            description="Events that it has already copied are still delivered.",
            names=names,
            form=(choice("Status", "The only status that can be set.", (JobStatus.CANCELLING,)).needed,),
            answer=made,
            refusals=_CONFLICT,
        ),
    )
