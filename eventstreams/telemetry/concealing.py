"""Removes known secrets from log lines, wherever in a line they are."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final
from urllib.parse import quote, quote_plus

from structlog.typing import EventDict

from eventstreams.cli.terminal import harmless

SHORTEST: Final = 6
"""The least characters of a secret that is looked for: a shorter one would occur in many ordinary words."""
HIDDEN: Final = "[hidden]"

_concealed: ContextVar[Sequence[str]] = ContextVar("concealed", default=())


@contextmanager
def concealing(secrets: Sequence[str]) -> Iterator[None]:
    """While inside, everything that this task logs has ``HIDDEN`` in place of each of ``secrets``."""
    token = _concealed.set(secrets)
    try:
        yield
    finally:
        _concealed.reset(token)


def conceal(_logger: object, _method: str, line: EventDict | str) -> str:
    """A structlog processor, to run after the one that renders the line."""
    assert isinstance(line, str)
    for form in _forms(_concealed.get()):
        line = line.replace(form, HIDDEN)
    return line


def _forms(secrets: Iterable[str]) -> Sequence[str]:
    """Every form in which ``secrets`` may occur, longest first: as is, or escaped for Python, a URL, JSON, a terminal.

    Each line of a multi-line secret counts as one, since tracebacks are indented.
    """
    lines = {line.strip() for secret in secrets for line in (secret, *secret.splitlines())}
    said = {form for each in lines if len(each) >= SHORTEST for form in (*_quoted(each), *_in_a_url(each))}
    written = {form for each in said for form in (*_quoted(each), harmless(each))}
    return sorted(written, key=len, reverse=True)


def _quoted(text: str) -> Sequence[str]:
    in_json = (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    return text, repr(text)[1:-1], ascii(text)[1:-1], *in_json


def _in_a_url(text: str) -> Sequence[str]:
    return quote(text), quote(text, safe=""), quote_plus(text)
