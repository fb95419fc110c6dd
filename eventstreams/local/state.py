"""What a local installation keeps in its data folder between starts: keys, first account, ports."""

import fcntl
import os
import secrets
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

import orjson
from pydantic import TypeAdapter, ValidationError

from eventstreams.control.vault import new_key
from eventstreams.errors import PrerequisiteError
from eventstreams.sids import SidKind, new_sid

_PRIVATE: Final = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The content of ``state.json``, which only its owner may read.

    Attributes:
        instance: Distinguishes this installation's consumers from those of others on the same Kafka.
        ports: The ports of last time, by what listens on them.
    """

    account_sid: str
    auth_token: str
    secret_key: str
    instance: str
    ports: Mapping[str, int]
    operator_token: str = field(default_factory=lambda: secrets.token_hex(16))  # new for folders that lack one

    @classmethod
    def new(cls) -> Self:
        """The state for a new folder, with a random account and keys."""
        return cls(
            account_sid=new_sid(SidKind.ACCOUNT),
            auth_token=secrets.token_hex(16),
            secret_key=new_key(),
            instance=f"up-{secrets.token_hex(4)}",
            ports={},
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The state kept in ``folder``, or a new one if there is none.

        Raises:
            PrerequisiteError: the file exists but is not valid.
        """
        file = folder / "state.json"
        if not file.exists():
            return cls.new()
        try:
            return TypeAdapter(cls).validate_json(file.read_bytes())
        except ValidationError:
            raise PrerequisiteError(
                f"{file} is damaged: restore it from a copy, or start afresh in another --data-dir"
            ) from None

    def with_port(self, name: str, port: int) -> Self:
        """This state, with the port that ``name`` listens on now."""
        return replace(self, ports={**self.ports, name: port})

    def save(self, folder: Path) -> None:
        write_private(folder / "state.json", orjson.dumps(self, option=orjson.OPT_INDENT_2))


def write_private(file: Path, content: bytes) -> None:
    """Replace ``file`` atomically, readable only by its owner."""
    draft = file.with_name(f".{file.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE), "wb") as out:
        out.write(content)
    draft.replace(file)


def shell_settings(values: Mapping[str, str]) -> bytes:
    """``values`` as a file that any shell can source with ``.``, so that its commands use this installation."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items()).encode()


@contextmanager
def data_folder(folder: Path) -> Iterator[Path]:
    """Lock ``folder`` while inside, after creating it if needed; yields its absolute path.

    Raises:
        PrerequisiteError: it cannot be written, or another ``eventstreams up`` uses it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise PrerequisiteError(f"--data-dir {folder} cannot be written: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PrerequisiteError(
                f"--data-dir {folder} is in use by another `eventstreams up`: stop it, or choose another folder"
            ) from None
        yield folder.absolute()
