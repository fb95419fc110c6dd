"""The commands sent to beanstalkd, and what its responses mean. No I/O, so that it can be tested without a server."""

from eventstreams.sinks import DeadReason, Delivered, DeliveryOutcome, Rejected, RetryLater, RetryReason

STATS = b"stats\r\n"
_PRIORITY, _DELAY_S, _TIME_TO_RUN_S = 1024, 0, 60


class OutOfStepError(Exception):
    """A response that makes no sense: which command the next one would belong to is unknown."""


def use(tube: str) -> bytes:
    """Return the command that puts the jobs that follow into ``tube``."""
    return b"use %s\r\n" % tube.encode()


def put(job: bytes) -> bytes:
    """Return the command that puts one job. Many can be sent before the first response; responses come in order."""
    return b"put %d %d %d %d\r\n%s\r\n" % (_PRIORITY, _DELAY_S, _TIME_TO_RUN_S, len(job), job)


def judge(answer: bytes) -> DeliveryOutcome:
    """Return what the response to a ``put`` means for its job.

    Raises:
        OutOfStepError: it is not a response to ``put``.
    """
    match answer.split():
        case [b"INSERTED" | b"BURIED", _]:  # buried for lack of memory: it has the job, too
            return Delivered()
        case [b"JOB_TOO_BIG"]:
            return Rejected(DeadReason.TOO_LARGE, "beanstalkd says JOB_TOO_BIG: see its option -z")
        case [b"DRAINING" | b"OUT_OF_MEMORY" | b"INTERNAL_ERROR" as word]:
            return RetryLater(RetryReason.SERVER_ERROR, f"beanstalkd says {word.decode()}")
        case _:
            raise OutOfStepError


def check_use(answer: bytes) -> None:
    """Raise ``OutOfStepError`` unless ``answer`` is a response to ``use``."""
    if not answer.startswith(b"USING "):
        raise OutOfStepError


def stats_length(answer: bytes) -> int:
    """Return how many bytes follow the first line of the response to ``STATS``.

    Raises:
        OutOfStepError: it is not a response to ``STATS``.
    """
    match answer.split():
        case [b"OK", length] if length.isdigit():
            return int(length) + len(b"\r\n")
        case _:
            raise OutOfStepError


def judge_stats(stats: bytes) -> DeliveryOutcome:
    """Return whether the server accepts jobs, as the outcome of a probe."""
    if b"\ndraining: true\n" in stats:
        return RetryLater(RetryReason.SERVER_ERROR, "beanstalkd says DRAINING")
    return Delivered()
