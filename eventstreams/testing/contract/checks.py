"""Checks that apply to every outcome, and how a check fails."""

from typing import Final

from eventstreams.sinks import DeadReason, Delivered, Rejected, RetryLater, RetryReason

_PLUGINS_REASONS: Final = {DeadReason.REFUSED, DeadReason.TOO_LARGE, DeadReason.NO_SUCH_STREAM}
_WORKERS_REASONS: Final = {RetryReason.PLUGIN_RAISED, RetryReason.PLUGIN_HUNG, RetryReason.PLUGIN_MISCOUNTED}


def must(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise AssertionError with ``otherwise`` unless it ``holds``."""
    if not holds:
        raise AssertionError(otherwise)


def check_outcome(outcome: object) -> None:
    """Raise AssertionError unless ``outcome`` is one that a plugin may return."""
    match outcome:
        case Delivered():
            pass
        case RetryLater(reason=reason, not_before=not_before):
            must(isinstance(reason, RetryReason), f"RetryLater with {reason!r}: it takes a RetryReason")
            must(reason not in _WORKERS_REASONS, f"RetryLater with {reason!r}, which only the worker says of a plugin")
            must(
                not_before is None or getattr(not_before, "tzinfo", None) is not None,
                f"RetryLater with not_before {not_before!r}: it takes an aware datetime",
            )
        case Rejected(reason=dead_reason):
            must(dead_reason in _PLUGINS_REASONS, f"Rejected with {dead_reason!r}: it takes REFUSED or TOO_LARGE")
        case _:
            raise AssertionError(f"{outcome!r} among the outcomes: it takes Delivered, RetryLater and Rejected")
