"""The connection of commands to a running API."""

from eventstreams.cli.profiles import chosen_profile, must_ask
from eventstreams.client.connection import Connection, Fields, Json
from eventstreams.errors import SettingsError
from eventstreams.settings import Settings
from eventstreams.settings.urls import is_http_url

__all__ = ["Answer", "Fields", "Remote"]

Answer = Json


class Remote(Connection):
    """A client of the API at ``url``, with the credentials of the profile, of the settings or of the operator.

    Use as ``async with``.
    """

    def __init__(self, settings: Settings, url: str | None, *, as_operator: bool = False) -> None:
        """Raises ``SettingsError`` if there are no credentials, the profile does not exist, or ``url`` is not a URL."""
        if url is not None and not is_http_url(url):
            raise SettingsError(f"--url is {url!r}: it must be a URL such as https://events.example.com")
        profile = chosen_profile(settings)
        user, token = must_ask(profile, settings, as_operator=as_operator)
        self.account_sid = profile.account_sid
        super().__init__(url or profile.url, user, token)
