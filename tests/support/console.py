"""A minimal browser for tests: it keeps cookies, fills in the forms of pages that it gets, and parses HTML."""

import asyncio
import re
import warnings
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from xml.etree.ElementTree import Element

import aiohttp
import html5lib

from tests.support.topic import PATIENCE_S


@dataclass(frozen=True, slots=True)
class Shown:
    """A page as received."""

    status: int
    url: str
    headers: Mapping[str, str]
    text: str

    @property
    def tree(self) -> Element:
        """The page as parsed. Raises ``ParseError`` if it is not valid HTML."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
            tree: Element = parser.parse(self.text) if "<html" in self.text else parser.parseFragment(self.text)
            return tree

    @property
    def words(self) -> str:
        """The visible text."""
        return " ".join("".join(self.tree.itertext()).split())

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.text)
        assert found is not None, self.text
        return found[1]


class Browser:
    """Use as ``async with``."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, **options: Any) -> Shown:
        return await self.ask("GET", path, **options)

    async def ask(self, method: str, path: str, **options: Any) -> Shown:
        async with self._session.request(method, self.url + path, **options) as answer:
            return Shown(answer.status, str(answer.url.path_qs), answer.headers, await answer.text())

    async def send(self, path: str, fields: Mapping[str, str], *, page: str = "", **options: Any) -> Shown:
        """Post ``fields`` to ``path`` as the form on ``page`` (default: ``path``) would."""
        csrf = (await self.get(page or path)).csrf
        return await self.ask("POST", path, data={"csrf": csrf, **fields}, **options)

    async def until(self, path: str, words: str, **options: Any) -> Shown:
        """Return the page at ``path`` once it contains ``words``."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                shown = await self.get(path, **options)
                if words in shown.words:
                    return shown
                await asyncio.sleep(0.1)

    async def sign_in(self, sid: str, token: str) -> Shown:
        return await self.send("/console/sign-in", {"sid": sid, "token": token})

    def cookies(self) -> Mapping[str, str]:
        return {each.key: each.value for each in self._session.cookie_jar}


@asynccontextmanager
async def signed_in(url: str, sid: str, token: str) -> AsyncIterator[Browser]:
    async with Browser(url) as browser:
        shown = await browser.sign_in(sid, token)
        assert shown.status == 200, shown.text
        yield browser
