"""The findings of an examination."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How bad a finding is. A problem loses events or stops a role; a warning is something operators should know."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        grade: How bad it is.
        about: What was examined: a word, or a topic's name.
        fact: A sentence without its full stop.
        fix: What to do; None if nothing.
        exit_code: For a problem, the command's exit code if it is the first one; otherwise 0.
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
    """The exit code of the first problem; 0 if there is none."""
    return next((each.exit_code for each in findings if each.grade is Grade.PROBLEM), 0)
