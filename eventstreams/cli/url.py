"""An option of a command that is a URL."""

from typing import Final

from eventstreams.cli.parsed import Parsed
from eventstreams.settings.urls import is_http_url


def _url(text: str) -> str:
    """Refuse what nothing could be asked at: a name without ``http://`` would be asked until time is up."""
    if not is_http_url(text):
        raise ValueError(f"{text!r} must be a URL such as https://events.example.com")
    return text


URL: Final = Parsed("URL", _url)
