"""The desk with everything behind it: the feed of jobs, their writer, their runner."""

from contextlib import AsyncExitStack

from control_api.plane import ControlPlane
from control_api.redrive.desk import Desk
from control_api.redrive.feed import JobFeed, JobWriter
from control_api.redrive.runner import JobRunner, RunnerParts
from control_api.redrive.teller import RedriveTeller
from eventstreams.codec import Codec
from eventstreams.kafka.producer import AckedProducer
from eventstreams.process import Process


async def open_desk(process: Process, plane: ControlPlane, producer: AckedProducer, stack: AsyncExitStack) -> Desk:
    """A desk that works until ``stack`` is left; unfinished jobs go on at once."""
    settings = process.settings
    codec = Codec(plane.catalog, schema_base_url=settings.schema_base_url)
    feed = await stack.enter_async_context(JobFeed(settings, on_crash=process.crash))
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
        writer=JobWriter(producer, feed, plane.topics),
        runner=await stack.enter_async_context(runner),
        clock=plane.clock,
    )
