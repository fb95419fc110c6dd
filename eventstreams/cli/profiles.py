"""Named profiles in a file of the user: which installation the command line talks to, with which credentials.

The file is INI with one section per profile, at ``$XDG_CONFIG_HOME/eventstreams/profiles.ini``. It holds tokens, so
only its owner may have access.
"""

import configparser
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from eventstreams.errors import SettingsError
from eventstreams.settings import PREFIX, Settings
from eventstreams.settings.urls import is_http_url
from eventstreams.sids import SidKind, is_sid

LOCAL_API: Final = "http://127.0.0.1:8080"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_CHOSEN: Final = "profiles"
"""The section that names the default profile."""
_TAKEN: Final = (_CHOSEN, configparser.DEFAULTSECT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One installation, and the credentials for it.

    Attributes:
        url: URL of its API.
        account_sid: The account to authenticate as; None if there are only the operator's credentials.
        key_sid: The API key to authenticate with; None to use the account's auth token.
        token: The account's auth token, or the key's secret.
        operator_token: The operator's token, for the operator's commands.
    """

    url: str = LOCAL_API
    account_sid: str | None = None
    key_sid: str | None = None
    token: SecretStr | None = field(default=None)
    operator_token: SecretStr | None = field(default=None)

    @property
    def auth_token(self) -> SecretStr | None:
        """The token with which the account's webhooks are signed; None if only a key's secret is known."""
        return self.token if self.key_sid is None else None

    def credentials(self, *, as_operator: bool) -> tuple[str, str] | None:
        """User and password of the account, or of the operator; None if there are none."""
        user = "operator" if as_operator else self.key_sid or self.account_sid
        token = self.operator_token if as_operator else self.token
        return None if user is None or token is None else (user, token.get_secret_value())


class ProfileFile:
    """The user's profiles."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of_user(cls, environ: Mapping[str, str] = os.environ) -> "ProfileFile":
        """The file at its place according to the XDG base directory specification."""
        home = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
        return cls(Path(home) / "eventstreams" / "profiles.ini")

    @property
    def names(self) -> list[str]:
        return [name for name in self._read().sections() if name != _CHOSEN]

    @property
    def default(self) -> str | None:
        """The name of the profile used if a command names none."""
        return self._read().get(_CHOSEN, "default", fallback=None)

    def get(self, name: str) -> Profile:
        """The profile ``name``. Raises ``SettingsError`` if it does not exist or is invalid."""
        found = self._read()
        if name == _CHOSEN or not found.has_section(name):
            known = ", ".join(self.names) or "none yet"
            raise SettingsError(
                f"no profile {name!r}: there are {known}. `eventstreams profiles add {name}` creates one"
            )
        return self._checked(name, dict(found.items(name)))

    def put(self, name: str, profile: Profile) -> None:
        """Add or replace a profile; the first becomes the default.

        Raises:
            SettingsError: its name or content is invalid, or the file cannot be written.
        """
        if not _NAME.fullmatch(name) or name in _TAKEN:
            raise SettingsError(
                f"{name!r} is not a valid profile name: use up to 64 letters, digits, dots, dashes and "
                f"underscores, but not {' or '.join(_TAKEN)}"
            )
        known = self._read()
        known[name] = _texts(profile)
        self._checked(name, known[name])
        if not known.has_section(_CHOSEN):
            known[_CHOSEN] = {"default": name}
        self._write(known)

    def choose(self, name: str) -> None:
        """Make ``name`` the default. Raises like ``get``."""
        self.get(name)
        known = self._read()
        known[_CHOSEN] = {"default": name}
        self._write(known)

    def remove(self, name: str) -> None:
        """Remove the profile ``name``; if it was the default, there is none afterwards. Raises like ``get``."""
        self.get(name)
        known = self._read()
        known.remove_section(name)
        if known.get(_CHOSEN, "default", fallback=None) == name:
            known.remove_section(_CHOSEN)
        self._write(known)

    def _checked(self, name: str, texts: Mapping[str, str]) -> Profile:
        def wrong(key: str, right: str) -> SettingsError:
            return SettingsError(f"profile {name!r} in {self.path}: {key} {right}")

        known = [each.name for each in fields(Profile)]
        if unknown := next((key for key in texts if key not in known), None):
            raise wrong(unknown, f"is not a key of a profile: the keys are {', '.join(known)}")
        url, account, key = texts.get("url", LOCAL_API), texts.get("account_sid"), texts.get("key_sid")
        if not is_http_url(url):
            raise wrong("url", f"is {url!r}: it must be a URL such as https://events.example.com")
        if account is not None and not is_sid(account, SidKind.ACCOUNT):
            raise wrong("account_sid", f"is {account!r}: it must be AC and 32 hexadecimal digits")
        if key is not None and not is_sid(key, SidKind.API_KEY):
            raise wrong("key_sid", f"is {key!r}: it must be SK and 32 hexadecimal digits")
        secrets = {each: SecretStr(texts[each]) for each in ("token", "operator_token") if each in texts}
        return Profile(url=url, account_sid=account, key_sid=key, **secrets)

    def _read(self) -> configparser.ConfigParser:
        found = configparser.ConfigParser(interpolation=None)
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return found
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{self.path} cannot be read: {error}") from None
        if self.path.stat().st_mode & _OTHERS:
            raise SettingsError(
                f"{self.path} holds tokens and can be read by users other than its owner: chmod 600 {self.path}"
            )
        try:
            found.read_string(text)
        except configparser.Error as error:
            line = getattr(error, "lineno", None)  # never its text, which may be a token
            raise SettingsError(f"{self.path}{f', line {line},' if line else ''} is not an INI file") from None
        return found

    def _write(self, known: configparser.ConfigParser) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.path.parent)  # accessible only to its owner
            with os.fdopen(handle, "w") as out:
                known.write(out)
            Path(name).replace(self.path)
        except OSError as error:
            raise SettingsError(f"{self.path} cannot be written: {error}") from None


def chosen_profile(settings: Settings, file: ProfileFile | None = None) -> Profile:
    """The profile that ``settings`` name; or else the credentials in ``settings``, if any; or else the default profile.

    Raises:
        SettingsError: the profile does not exist, or is invalid.
    """
    file = file or ProfileFile.of_user()
    if settings.profile is not None:
        return file.get(settings.profile)
    given = (settings.public_url, settings.account_sid, settings.auth_token, settings.operator_token)
    if not any(given) and (name := file.default) is not None:
        return file.get(name)
    return Profile(
        url=settings.public_url or LOCAL_API,
        account_sid=settings.account_sid,
        token=settings.auth_token,
        operator_token=settings.operator_token,
    )


def must_ask(profile: Profile, settings: Settings, *, as_operator: bool) -> tuple[str, str]:
    """User and password from ``Profile.credentials``.

    Raises:
        SettingsError: there are none; the text says what to set.
    """
    found = profile.credentials(as_operator=as_operator)
    if found is not None:
        return found
    if settings.profile is not None:
        lacking = "operator's token" if as_operator else "account with its token"
        raise SettingsError(
            f"profile {settings.profile!r} has no {lacking}: eventstreams profiles add {settings.profile}"
        )
    wanted = (
        f"{PREFIX}OPERATOR_TOKEN to the token that the API was started with"
        if as_operator
        else f"{PREFIX}ACCOUNT_SID and {PREFIX}AUTH_TOKEN to the credentials of your account"
    )
    raise SettingsError(f"set {wanted}, or store them in a profile: eventstreams profiles add NAME")


def _texts(profile: Profile) -> dict[str, str]:
    found = {each.name: getattr(profile, each.name) for each in fields(profile)}
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in found.items()
        if value is not None
    }
