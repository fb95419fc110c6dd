"""Faults of the machine that a program runs on: its clock is stepped, its resolver finds no names.

A library of ours is preloaded into the program (on Linux, with a C compiler). So the product needs no code for this,
and no way to set its clock.
"""

import mmap
import platform
import shutil
import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eventstreams.errors import PrerequisiteError

_SOURCE: Final = Path(__file__).with_name("shim.c")
_CONTROL: Final = struct.Struct("=qq")  # nanoseconds by which the clock is ahead; whether no names are found
_COMPILE_S: Final = 60.0
_NS: Final = 1_000_000_000


def compiler() -> str | None:
    """The C compiler of this machine; None if there is none, or if this is not Linux."""
    return shutil.which("cc") if platform.system() == "Linux" else None


@dataclass(slots=True)
class Host:
    """The clock and the resolver as seen by one program."""

    name: str
    file: Path

    def __post_init__(self) -> None:
        self.set()

    def set(self, *, ahead_s: float = 0.0, no_names: bool = False) -> None:
        """Set how far the program's wall clock is ahead (or, if negative, behind), and whether it can resolve names."""
        if not self.file.exists():
            self.file.write_bytes(bytes(_CONTROL.size))
        with self.file.open("r+b") as opened, mmap.mmap(opened.fileno(), _CONTROL.size) as mapped:
            mapped[:] = _CONTROL.pack(round(ahead_s * _NS), no_names)


@dataclass(frozen=True, slots=True)
class Hosts:
    """Lets programs be started so that their clock and resolver can be controlled."""

    folder: Path
    library: Path

    @classmethod
    def compile(cls, folder: Path) -> "Hosts":
        """Compile the preloaded library into ``folder``.

        Raises:
            PrerequisiteError: there is no compiler, or it fails.
        """
        found = compiler()
        if found is None:
            raise PrerequisiteError("manipulating a program's clock and resolver requires Linux and a C compiler (cc)")
        library = folder / "shim.so"
        command = [found, "-O2", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl", "-lpthread"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_S, check=False)  # noqa: S603 - ours
        if done.returncode != 0:
            raise PrerequisiteError(f"{_SOURCE.name} cannot be compiled: {done.stderr.strip()[:300]}")
        return cls(folder, library)

    def of(self, name: str) -> Host:
        return Host(name, self.folder / f"{name}.host")

    def environ(self, name: str) -> Mapping[str, str]:
        """The environment variables with which the program ``name`` must be started."""
        return {"LD_PRELOAD": str(self.library), "NEMESIS_CONTROL": str(self.of(name).file)}


@dataclass(slots=True)
class ClockStep:
    """Steps the wall clock by ``ahead_s`` seconds, forward or back, and undoes it at the end."""

    host: Host
    ahead_s: float

    @property
    def detail(self) -> str:
        return f"the clock of {self.host.name} is stepped by {self.ahead_s:+.0f} s"

    async def inflict(self) -> None:
        self.host.set(ahead_s=self.ahead_s)

    async def heal(self) -> None:
        self.host.set()


@dataclass(slots=True)
class NoNames:
    """Makes the resolver fail for every name; addresses still work."""

    host: Host

    @property
    def detail(self) -> str:
        return f"{self.host.name} resolves no names"

    async def inflict(self) -> None:
        self.host.set(no_names=True)

    async def heal(self) -> None:
        self.host.set()
