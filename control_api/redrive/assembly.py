"""Assembles the redrive service: the writer of jobs, and their runner."""

from contextlib import AsyncExitStack

from control_api.plane import ControlPlane
from control_api.redrive.feed import JobFeed, JobWriter
from control_api.redrive.redrive_log import RedriveLog
from control_api.redrive.runner import JobRunner, RunnerParts
from control_api.redrive.service import RedriveService
from eventstreams.codec import Codec
from eventstreams.process import Process


def open_redrive_service(process: Process, plane: ControlPlane, feed: JobFeed, stack: AsyncExitStack) -> RedriveService:
    """Create a service that works until ``stack`` is closed. Jobs run while its runner is entered."""
    settings = process.settings
    codec = Codec(plane.catalog, schema_base_url=settings.schema_base_url)
    redrive_log = stack.enter_context(RedriveLog(settings, process.metrics))
    runner = JobRunner(
        RunnerParts(
            settings=settings,
            feed=feed,
            control=plane.feed,
            admin=plane.admin,
            codec=codec,
            metrics=process.metrics,
            clock=plane.clock,
            tell=redrive_log.tell,
        )
    )
    return RedriveService(
        settings=settings,
        topics=plane.topics,
        admin=plane.admin,
        control=plane.feed,
        codec=codec,
        jobs=feed,
        writer=JobWriter(plane.writing, plane.topics),
        runner=runner,
        clock=plane.clock,
        reading=RedriveService.semaphore(plane.feed.snapshot.customer_of),
    )
