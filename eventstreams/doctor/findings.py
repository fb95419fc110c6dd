"""What an examination comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How bad a finding is. A problem loses events or stops a role; of a warning an operator should know."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact.

    Attributes:
        about: What was looked at, in a word or a topic's name.
        fact: A sentence without its full stop.
        fix: What to do; None: nothing.
        exit_code: Of the command, where it is a problem and the first of them; else 0.
    """

    grade: Grade
    about: str
    fact: str
    fix: str | None = None
    exit_code: int = 0


def ok(about: str, fact: str) -> Finding:
    return Finding(Grade.OK, about, fact)


def warning(about: str, fact: str, fix: str) -> Finding:
    return Finding(Grade.WARNING, about, fact, fix)


def problem(about: str, fact: str, fix: str | None, *, exit_code: int = 1) -> Finding:
    return Finding(Grade.PROBLEM, about, fact, fix, exit_code)


def exit_code_of(findings: Sequence[Finding]) -> int:
    """0 without problems, else that of the first."""
    return next((each.exit_code for each in findings if each.grade is Grade.PROBLEM), 0)
