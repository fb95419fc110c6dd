"""What an http or https URL is, in a setting, a profile or an option."""

import re
from typing import Final
from urllib.parse import urlsplit

_PRINTABLE: Final = re.compile(r"[!-~]+")  # a blank or a line break ends a URL wherever it is used


def is_http_url(text: str) -> bool:
    """Whether ``text`` is a URL with a host that can be asked."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # such as brackets around what is no address, or a port that is no number
        return False
    usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0
    return usable and _PRINTABLE.fullmatch(text) is not None


def http_url(value: str | None) -> str | None:
    """For a field of the settings, which may be left empty. Raises ``ValueError`` where ``value`` is no such URL."""
    if value and not is_http_url(value):
        raise ValueError("it must be a URL such as http://host.example.com:8080")
    return value


def http_urls(values: tuple[str, ...]) -> tuple[str, ...]:
    """As ``http_url``, of each."""
    for each in values:
        http_url(each)
    return values
