"""Maps a mail server's answers to outcomes: the retry matrix of ``docs/sinks/email.md``. Pure."""

import re
from enum import StrEnum
from typing import Final

from eventstreams.sinks import DeadReason, DeliveryOutcome, Rejected, RetryLater, RetryReason

_PERMANENT: Final = 500
_TEMPORARY: Final = 400
_END: Final = 600
_ENHANCED: Final = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")  # RFC 3463, at the start of an answer
_TOO_LARGE: Final = 552
_MAILBOX_FULL: Final = 552  # the same code, about a recipient: RFC 5321, 4.5.3.1.10
_LOGIN_NEEDED: Final = frozenset({503, 530, 534, 535, 538})


class Step(StrEnum):
    """The step of the SMTP session that was refused."""

    GREETING = "at its greeting"
    LOGIN = "to our login"
    SENDER = "to MAIL FROM"
    RECIPIENT = "to RCPT TO"
    CONTENT = "to the mail"


def is_about_content(step: Step, code: int) -> bool:
    """Whether the server refuses the mail's content, for which a single event may be to blame."""
    return step is Step.CONTENT and _PERMANENT <= code < _END and code not in _LOGIN_NEEDED


def judge(step: Step, code: int, words: str) -> DeliveryOutcome:
    """The outcome that a refusal means for each event of a mail. If it is about content, the mail must have one event.

    A ``RetryLater`` never has the code as its status: an SMTP 4xx is not an HTTP 4xx, which says that the sink works.

    Args:
        step: What was refused.
        code: The SMTP reply code.
        words: The text of the reply.
    """
    found = _ENHANCED.match(words)
    enhanced = found[1] if found else ""
    detail = f"the mail server says {code}{f' {enhanced}' if enhanced else ''} {step}"
    if _TEMPORARY <= code < _PERMANENT:
        return RetryLater(RetryReason.SERVER_ERROR, detail, answer=words)
    if not _PERMANENT <= code < _END:
        return RetryLater(RetryReason.BAD_ANSWER, detail, answer=words)
    match step:
        case Step.GREETING | Step.LOGIN | Step.SENDER:
            return RetryLater(RetryReason.SINK_UNUSABLE, f"{detail}: the operator must fix it", answer=words)
        case Step.RECIPIENT:
            if code in _LOGIN_NEEDED or enhanced.startswith("5.7."):  # a relay that does not let us in says so here
                return RetryLater(RetryReason.SINK_UNUSABLE, detail, answer=words)
            if code == _MAILBOX_FULL or enhanced == "5.2.2":
                return RetryLater(RetryReason.SERVER_ERROR, f"{detail}: the mailbox is full", answer=words)
            return Rejected(DeadReason.REFUSED, detail, status=code, answer=words)
        case Step.CONTENT:
            if code in _LOGIN_NEEDED:
                return RetryLater(RetryReason.SINK_UNUSABLE, detail, answer=words)
            too_large = code == _TOO_LARGE or enhanced in {"5.3.4", "5.2.3"}
            return Rejected(
                DeadReason.TOO_LARGE if too_large else DeadReason.REFUSED, detail, status=code, answer=words
            )
