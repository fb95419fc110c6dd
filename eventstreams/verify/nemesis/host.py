"""Faults of the machine that a program runs on: its clock is stepped, its resolver finds no names.

A library of ours is preloaded into the program (Linux, with a C compiler): the program itself knows nothing of it, and
no clock of the product can be set.
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
_CONTROL: Final = struct.Struct("=qq")  # nanoseconds ahead, whether no names are found
_COMPILE_S: Final = 60.0
_NS: Final = 1_000_000_000


def compiler() -> str | None:
    """The C compiler of this machine; None where there is none, or no use for it."""
    return shutil.which("cc") if platform.system() == "Linux" else None


@dataclass(slots=True)
class Host:
    """The clock and the resolver of one program, as it sees them."""

    name: str
    file: Path

    def __post_init__(self) -> None:
        self.set()

    def set(self, *, ahead_s: float = 0.0, no_names: bool = False) -> None:
        """From now on the program's wall clock is so far ahead (or behind), and it finds names or does not."""
        if not self.file.exists():
            self.file.write_bytes(bytes(_CONTROL.size))
        with self.file.open("r+b") as opened, mmap.mmap(opened.fileno(), _CONTROL.size) as mapped:
            mapped[:] = _CONTROL.pack(round(ahead_s * _NS), no_names)


@dataclass(frozen=True, slots=True)
class Hosts:
    """Makes programs such that their hosts can be tampered with."""

    folder: Path
    library: Path

    @classmethod
    def compile(cls, folder: Path) -> "Hosts":
        """Compile what is preloaded into ``folder``.

        Raises:
            PrerequisiteError: there is no compiler, or it refuses.
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
        """What the program ``name`` is started with."""
        return {"LD_PRELOAD": str(self.library), "NEMESIS_CONTROL": str(self.of(name).file)}


@dataclass(slots=True)
class ClockStep:
    """The wall clock is stepped by so many seconds, forward or back, and back again at the end."""

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
    """The resolver has no answer for any name; addresses work."""

    host: Host

    @property
    def detail(self) -> str:
        return f"{self.host.name} resolves no names"

    async def inflict(self) -> None:
        self.host.set(no_names=True)

    async def heal(self) -> None:
        self.host.set()
