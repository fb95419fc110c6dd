"""A worker of S3 sinks as a process that a test can kill."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from eventstreams.settings import PREFIX, Settings
from tests.support.kinesis import environ
from tests.support.s3 import Bucket
from tests.support.up import clean_environ


class S3Worker:
    """``eventstreams worker s3``; after a kill it can be started again, and has its partitions back at once."""

    def __init__(self, settings: Settings, bucket: Bucket) -> None:
        self._environ = {**clean_environ(), **variables(settings), **environ(bucket)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = (sys.executable, "-m", "eventstreams", "worker", "s3")
        self._process = subprocess.Popen(command, env=self._environ)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def variables(settings: Settings) -> Mapping[str, str]:
    """The environment that makes ``settings`` those of another process."""
    given: Mapping[str, object] = {
        "KAFKA": settings.kafka,
        "TOPIC_PREFIX": settings.topic_prefix,
        "REPLICATION_FACTOR": settings.replication_factor,
        "EVENTS_PARTITIONS": settings.events_partitions,
        "ATTEMPTS_PARTITIONS": settings.attempts_partitions,
        "RETRY_PARTITIONS": settings.retry_partitions,
        "RETRY_DELAYS": "200ms,1s",
        "SECRET_KEY": settings.secret_key.get_secret_value() if settings.secret_key else "",
        "ADMIN_LISTEN": "127.0.0.1:0",
        "LOG_LEVEL": "error",
        "INSTANCE": "archive-worker",
    }
    return {f"{PREFIX}{name}": str(value) for name, value in given.items()}


@contextmanager
def s3_worker(settings: Settings, bucket: Bucket) -> Iterator[S3Worker]:
    """Not started yet; at the end it is killed."""
    worker = S3Worker(settings, bucket)
    try:
        yield worker
    finally:
        worker.kill()
