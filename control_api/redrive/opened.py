"""The desk with everything behind it: the writer of jobs, their runner."""

from contextlib import AsyncExitStack

from control_api.plane import ControlPlane
from control_api.redrive.desk import Desk
from control_api.redrive.feed import JobFeed, JobWriter
from control_api.redrive.runner import JobRunner, RunnerParts
from control_api.redrive.teller import RedriveTeller
from eventstreams.codec import Codec
from eventstreams.process import Process


def open_desk(process: Process, plane: ControlPlane, feed: JobFeed, stack: AsyncExitStack) -> Desk:
    """A desk that works until ``stack`` is left. Jobs go on while its runner is entered."""
    settings = process.settings
    codec = Codec(plane.catalog, schema_base_url=settings.schema_base_url)
    teller = stack.enter_context(RedriveTeller(settings, process.metrics))
    runner = JobRunner(
        RunnerParts(
            settings=settings,
            feed=feed,
            control=plane.feed,
            admin=plane.admin,
            codec=codec,
            metrics=process.metrics,
            clock=plane.clock,
            tell=teller.tell,
        )
    )
    return Desk(
        settings=settings,
        topics=plane.topics,
        admin=plane.admin,
        control=plane.feed,
        codec=codec,
        jobs=feed,
        writer=JobWriter(plane.writing, plane.topics),
        runner=runner,
        clock=plane.clock,
        reading=Desk.semaphore(plane.feed.snapshot.customer_of),
    )
