"""A pinned artefact of Maven Central, and the interface of its downloaders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned artefact."""

    group: str
    artifact: str
    version: str
    sha256: str

    @classmethod
    def parse(cls, line: str) -> Self:
        """Parse ``group:artifact:version sha256``."""
        coordinate, sha256 = line.split()
        group, artifact, version = coordinate.split(":")
        return cls(group, artifact, version, sha256)

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


Keep = Callable[[Jar, Path], None]
"""Called with each downloaded file, to verify and keep it."""


class Fetcher(Protocol):
    """Downloads ``jars`` below ``scratch`` and passes each to ``keep`` as soon as it has arrived.

    Raises:
        FetchError: one cannot be downloaded in this way.
    """

    def __call__(self, jars: Sequence[Jar], scratch: Path, keep: Keep, /) -> None: ...


class FetchError(Exception):
    """A download failed; the text says why, for a person."""
