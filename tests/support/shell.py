"""Parses shell commands, as far as the documentation has any: no functions, no here-documents."""

import re
import shlex
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Final

SUBSTITUTED: Final = "SUBSTITUTED"
"""Stands in place of a substituted command's output."""
_SUBSTITUTION: Final = re.compile(r"\$\(([^()]*)\)")
_ASSIGNMENT: Final = re.compile(r"\w+=.*", re.DOTALL)
_ENDS: Final = set(";|&\n()")
_KEYWORDS: Final = {"do", "done", "then", "else", "fi", "if", "while", "time", "!", "{", "}", "export", "command"}


class _KeepingLineEnds:
    """Keeps the line end behind a comment, which ends a command; ``shlex`` would drop it with the comment."""

    def __init__(self, text: str) -> None:
        self._text = StringIO(text)

    def read(self, size: int, /) -> str:
        return self._text.read(size)

    def readline(self) -> object:
        line = self._text.readline()
        if line.endswith("\n"):
            self._text.seek(self._text.tell() - 1)
        return line

    def close(self) -> None:
        self._text.close()


def commands_of(text: str) -> Iterator[Sequence[str]]:
    """Yield the words of each simple command, without assignments before it and redirections.

    Raises:
        ValueError: A quote is never closed.
    """
    text = text.replace("\\\n", " ")
    while found := _SUBSTITUTION.search(text):
        yield from commands_of(found[1])
        text = f"{text[: found.start()]}{SUBSTITUTED}{text[found.end() :]}"
    words: list[str] = []
    tokens = iter(_tokens(text))
    for token in tokens:
        if token and set(token) <= _ENDS:
            yield from _command(words)
            words = []
        elif token[:1] in {"<", ">"}:
            next(tokens, None)
            if words and words[-1].isdigit():
                words.pop()
        else:
            words.append(token)
    yield from _command(words)


def _tokens(text: str) -> Iterator[str]:
    lexer = shlex.shlex(_KeepingLineEnds(text), posix=True, punctuation_chars=";|&\n()<>")
    lexer.whitespace = " \t"
    lexer.whitespace_split = True
    while (token := lexer.get_token()) is not None:
        yield token


def _command(words: Sequence[str]) -> Iterator[Sequence[str]]:
    start = 0
    while start < len(words) and (words[start] in _KEYWORDS or _ASSIGNMENT.fullmatch(words[start])):
        start += 1
    if words[start:]:
        yield words[start:]
