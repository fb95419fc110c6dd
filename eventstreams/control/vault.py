"""Secrets at rest: encrypted on the control topic, in the clear only inside the process that needs them."""

import base64
from enum import StrEnum
from functools import lru_cache
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from eventstreams.errors import SettingsError
from eventstreams.settings import PREFIX, Settings

_SETTING: Final = f"{PREFIX}SECRET_KEY"
_KEY_BYTES: Final = 32
_MOST_DERIVED: Final = 1024  # keys kept, of some 100 bytes each: to derive one takes 20 µs


class Purpose(StrEnum):
    """What is encrypted; nothing that was encrypted for one purpose opens for another."""

    AUTH_TOKEN = "auth-token"  # noqa: S105 - the name of a purpose
    SINK_CONFIGURATION = "sink-configuration"
    SINK_TEST = "sink-test"
    ANSWER = "answer"
    FORWARDED = "forwarded"
    CHALLENGE = "challenge"
    PROOF = "proof"
    PAGE = "page"
    BACKUP = "backup"
    SESSION = "session"


_STORED: Final = frozenset({Purpose.AUTH_TOKEN, Purpose.SINK_CONFIGURATION, Purpose.SINK_TEST, Purpose.ANSWER})
"""What topics hold, and so may have been written by a release that bound it to nothing."""


class Vault:
    """Encrypts with the first key and decrypts with any (Fernet: AES-128-CBC with HMAC-SHA-256).

    Each purpose and owner (an account's SID, a sink's …) has a key of its own, derived from the setting's by HKDF. So
    whoever can write on a topic, and read it, cannot put one secret in the place of another: it does not open there.
    Texts of earlier releases, under the setting's key itself, open for what topics hold; ``relock`` ends that.
    """

    def __init__(self, settings: Settings) -> None:
        """A vault with the keys of ``settings.secret_key``.

        Raises:
            SettingsError: there is no key, or one is malformed.
        """
        if settings.secret_key is None:
            raise SettingsError(
                f"{_SETTING} is not set: it must be the same for all roles and commands of an installation; for a "
                "new installation, generate one with `eventstreams new-key`"
            )
        keys = [part.strip() for part in settings.secret_key.get_secret_value().split(",")]
        try:
            self._unbound = MultiFernet([Fernet(key) for key in keys])
            self._keys = [base64.urlsafe_b64decode(key) for key in keys]
        except ValueError:
            raise SettingsError(
                f"{_SETTING} is malformed: it must be a key as printed by `eventstreams new-key`, or several "
                "separated by commas"
            ) from None
        self._bound = lru_cache(_MOST_DERIVED)(_derived)

    def lock(self, secret: str, purpose: Purpose, owner: str) -> str:
        """``secret`` encrypted, as text, to be opened for the same ``purpose`` and ``owner`` alone."""
        return self._bound(self._keys[0], purpose, owner).encrypt(secret.encode()).decode()

    def unlock(self, locked: str, purpose: Purpose, owner: str) -> str:
        """What was locked.

        Raises:
            SettingsError: none of our keys opens it.
        """
        found = self._opened(locked, purpose, owner)
        if found is None:
            raise SettingsError(
                f"a secret ({purpose}) was encrypted with a different key, or for a different purpose: add the key "
                f"that it was encrypted with to {_SETTING}"
            )
        return found

    def is_current(self, locked: str, purpose: Purpose, owner: str) -> bool:
        """Whether ``locked`` is bound to what it is for, and is under the first key: can be opened without others."""
        return _open(self._bound(self._keys[0], purpose, owner), locked) is not None

    def relock(self, locked: str, purpose: Purpose, owner: str) -> str:
        """The same secret under the first key. Raises as ``unlock``."""
        if self.is_current(locked, purpose, owner):
            return locked
        return self.lock(self.unlock(locked, purpose, owner), purpose, owner)

    def _opened(self, locked: str, purpose: Purpose, owner: str) -> str | None:
        for key in self._keys:
            if (found := _open(self._bound(key, purpose, owner), locked)) is not None:
                return found
        return _open(self._unbound, locked) if purpose in _STORED else None


def _derived(key: bytes, purpose: Purpose, owner: str) -> Fernet:
    info = f"eventstreams\0{purpose}\0{owner}".encode(errors="replace")
    return Fernet(base64.urlsafe_b64encode(HKDFExpand(SHA256(), _KEY_BYTES, info).derive(key)))


def _open(fernet: Fernet | MultiFernet, locked: str) -> str | None:
    try:
        return fernet.decrypt(locked.encode(errors="replace")).decode()
    except (InvalidToken, UnicodeDecodeError):  # the second: some other program's text
        return None


def new_key() -> str:
    """A new key for ``EVENTSTREAMS_SECRET_KEY``."""
    return Fernet.generate_key().decode()
