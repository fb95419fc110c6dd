"""Encrypts secrets at rest: they are encrypted in topics, and in the clear only inside a process that needs them."""

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
_MOST_DERIVED: Final = 1024  # derived keys cached, some 100 bytes each; deriving one takes 20 µs


class Purpose(StrEnum):
    """What a secret is for; what was encrypted for one purpose cannot be decrypted for another."""

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
"""Purposes stored in topics, where they may have been written by a release that did not yet bind them to an owner."""


class Vault:
    """Encrypts with the first key and decrypts with any (Fernet: AES-128-CBC with HMAC-SHA-256).

    Each purpose and owner (an account's SID, a sink's …) has a key of its own, derived from the setting's by HKDF. So
    somebody who can read and write a topic cannot substitute one secret for another: it cannot be decrypted there.
    Stored secrets of earlier releases, encrypted with the setting's key itself, are still decrypted; ``relock`` binds
    them.
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
        """Encrypt ``secret``, as text that can be decrypted only for the same ``purpose`` and ``owner``."""
        return self._bound(self._keys[0], purpose, owner).encrypt(secret.encode()).decode()

    def unlock(self, locked: str, purpose: Purpose, owner: str) -> str:
        """Decrypt what ``lock`` returned.

        Raises:
            SettingsError: none of our keys decrypts it.
        """
        found = self._opened(locked, purpose, owner)
        if found is None:
            raise SettingsError(
                f"a secret ({purpose}) was encrypted with a different key, or for a different purpose: add the key "
                f"that it was encrypted with to {_SETTING}"
            )
        return found

    def is_current(self, locked: str, purpose: Purpose, owner: str) -> bool:
        """Whether ``locked`` is bound to its purpose and owner under the first key, and so needs no other key."""
        return _open(self._bound(self._keys[0], purpose, owner), locked) is not None

    def relock(self, locked: str, purpose: Purpose, owner: str) -> str:
        """The same secret encrypted under the first key. Raises like ``unlock``."""
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
    except (InvalidToken, UnicodeDecodeError):  # the latter: another program encrypted something that is not text
        return None


def new_key() -> str:
    """A new key for ``EVENTSTREAMS_SECRET_KEY``."""
    return Fernet.generate_key().decode()
