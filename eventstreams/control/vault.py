"""Secrets at rest: encrypted on the control topic, in the clear only inside the process that needs them."""

from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from eventstreams.errors import SettingsError
from eventstreams.settings import PREFIX, Settings

_SETTING: Final = f"{PREFIX}SECRET_KEY"


class Vault:
    """Encrypts with the first key and decrypts with any (Fernet: AES-128-CBC with HMAC-SHA-256)."""

    def __init__(self, settings: Settings) -> None:
        """A vault with the keys of ``settings.secret_key``.

        Raises:
            SettingsError: there is no key, or one is malformed.
        """
        if settings.secret_key is None:
            raise SettingsError(f"{_SETTING} is not set: make one with `eventstreams new-key`, the same for all roles")
        keys = [part.strip() for part in settings.secret_key.get_secret_value().split(",")]
        try:
            self._first = Fernet(keys[0])
            self._fernet = MultiFernet([self._first, *map(Fernet, keys[1:])])
        except ValueError:
            raise SettingsError(
                f"{_SETTING} is malformed: it must be what `eventstreams new-key` prints, or several with commas"
            ) from None

    def lock(self, secret: str) -> str:
        """``secret`` encrypted, as text."""
        return self._fernet.encrypt(secret.encode()).decode()

    def unlock(self, locked: str) -> str:
        """What was locked.

        Raises:
            SettingsError: none of our keys opens it.
        """
        try:
            return self._fernet.decrypt(locked.encode()).decode()
        except InvalidToken:
            raise SettingsError(
                f"a secret on the control topic was encrypted with another key: add that one to {_SETTING}"
            ) from None

    def is_current(self, locked: str) -> bool:
        """Whether ``locked`` is under the first key, so that it can be opened once the others are gone."""
        try:
            self._first.decrypt(locked.encode())
        except InvalidToken:
            return False
        return True

    def relock(self, locked: str) -> str:
        """The same secret under the first key. Raises as ``unlock``."""
        return locked if self.is_current(locked) else self.lock(self.unlock(locked))


def new_key() -> str:
    """A new key for ``EVENTSTREAMS_SECRET_KEY``."""
    return Fernet.generate_key().decode()
