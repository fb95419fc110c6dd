"""A worker of S3 sinks as a process that a test can kill."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from eventstreams.settings import PREFIX, Settings
from tests.support import forks
from tests.support.kinesis import environ
from tests.support.s3 import Bucket
from tests.support.up import clean_environ, variables


class S3Worker:
    """``eventstreams worker s3``; restarted after a kill, it gets its partitions back at once."""

    def __init__(self, settings: Settings, bucket: Bucket) -> None:
        name = {f"{PREFIX}INSTANCE": "archive-worker"}
        self._environ = {**clean_environ(), **variables(settings), **name, **environ(bucket)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = (sys.executable, "-m", "eventstreams", "worker", "s3")
        self._process = forks.popen(command, env=self._environ)

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextmanager
def s3_worker(settings: Settings, bucket: Bucket) -> Iterator[S3Worker]:
    """Yield a worker that is not started yet; at the end it is killed."""
    worker = S3Worker(settings, bucket)
    try:
        yield worker
    finally:
        worker.kill()
