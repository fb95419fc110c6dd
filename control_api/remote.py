"""A running API, asked from the command line."""

from eventstreams.client.connection import Connection, Fields, Json
from eventstreams.errors import SettingsError
from eventstreams.settings import PREFIX, Settings

__all__ = ["Answer", "Fields", "Remote"]

Answer = Json


class Remote(Connection):
    """The API at ``url``, asked as the account of the settings, or as the operator. Use as ``async with``."""

    def __init__(self, settings: Settings, url: str | None, *, as_operator: bool = False) -> None:
        """Raises ``SettingsError`` where the settings name no account, or no operator's token."""
        user, token = (
            ("operator", settings.operator_token) if as_operator else (settings.account_sid, settings.auth_token)
        )
        if as_operator and token is None:
            raise SettingsError(f"set {PREFIX}OPERATOR_TOKEN to the token that the API was started with")
        if user is None or token is None:
            raise SettingsError(f"set {PREFIX}ACCOUNT_SID and {PREFIX}AUTH_TOKEN to the account that asks")
        where = url or settings.public_url or "http://127.0.0.1:8080"
        super().__init__(where, user, token.get_secret_value())
