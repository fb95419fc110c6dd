"""What is said to beanstalkd, and what its answers mean. Pure, so that it can be tested without a server."""

from eventstreams.sinks import DeadReason, Delivered, DeliveryOutcome, Rejected, RetryLater, RetryReason

STATS = b"stats\r\n"
_PRIORITY, _DELAY_S, _TIME_TO_RUN_S = 1024, 0, 60


class OutOfStepError(Exception):
    """An answer that is none: nobody knows what the next one would belong to."""


def use(tube: str) -> bytes:
    """Put what follows into ``tube``."""
    return b"use %s\r\n" % tube.encode()


def put(job: bytes) -> bytes:
    """Put one job. Many of these can be sent before the first is answered; the answers come in their order."""
    return b"put %d %d %d %d\r\n%s\r\n" % (_PRIORITY, _DELAY_S, _TIME_TO_RUN_S, len(job), job)


def judge(answer: bytes) -> DeliveryOutcome:
    """What the answer to a ``put`` says of its job.

    Raises:
        OutOfStepError: nothing.
    """
    match answer.split():
        case [b"INSERTED" | b"BURIED", _]:  # buried for lack of memory: it has the job all the same
            return Delivered()
        case [b"JOB_TOO_BIG"]:
            return Rejected(DeadReason.TOO_LARGE, "beanstalkd says JOB_TOO_BIG: see its option -z")
        case [b"DRAINING" | b"OUT_OF_MEMORY" | b"INTERNAL_ERROR" as word]:
            return RetryLater(RetryReason.SERVER_ERROR, f"beanstalkd says {word.decode()}")
        case _:
            raise OutOfStepError


def check_use(answer: bytes) -> None:
    """Raise ``OutOfStepError`` unless ``answer`` is one to ``use``."""
    if not answer.startswith(b"USING "):
        raise OutOfStepError


def stats_length(answer: bytes) -> int:
    """How many bytes follow the first line of the answer to ``STATS``; ``OutOfStepError`` where it is none."""
    match answer.split():
        case [b"OK", length] if length.isdigit():
            return int(length) + len(b"\r\n")
        case _:
            raise OutOfStepError


def judge_stats(stats: bytes) -> DeliveryOutcome:
    """Whether the server takes jobs."""
    if b"\ndraining: true\n" in stats:
        return RetryLater(RetryReason.SERVER_ERROR, "beanstalkd says DRAINING")
    return Delivered()
