"""Twilio's own HTTP transports, which also check every response and can record requests."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.http_client import TwilioHttpClient
from typing_extensions import override

from control_api.operations import OPERATIONS
from tests.support.contract import check


class Checking(TwilioHttpClient):  # type: ignore[misc]  # an untyped library's class
    """The blocking client's transport; checks every response against the API's document."""

    @override
    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        answer = super().request(method, url, *args, **kwargs)
        check(method.upper(), urlsplit(url).path, answer.status_code, answer.text)
        return answer


class Recording(Checking):
    """The same, which remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []

    @override
    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        self.sent.append((method.upper(), urlsplit(url).path))
        return super().request(method, url, *args, **kwargs)


class AsyncChecking(AsyncTwilioHttpClient):  # type: ignore[misc]  # an untyped library's class
    """The asynchronous client's transport; checks every response against the API's document."""

    @override
    async def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        answer = await super().request(method, url, *args, **kwargs)
        check(method.upper(), urlsplit(url).path, answer.status_code, answer.text)
        return answer


class AsyncRecording(AsyncChecking):
    """The same, which remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []

    @override
    async def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        self.sent.append((method.upper(), urlsplit(url).path))
        return await super().request(method, url, *args, **kwargs)


def operations(sent: Iterable[tuple[str, str]]) -> set[str]:
    """Return the names of the operations in ``sent``, requests as (method, path)."""
    return {name for method, path in sent if (name := _operation(method, path))}


def _operation(method: str, path: str) -> str | None:
    found = (each for each in OPERATIONS if each.method == method and _pattern(each.path).fullmatch(path))
    return next((each.name for each in found), None)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
