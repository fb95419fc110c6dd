"""The console's static files: styles, scripts. Read once, and named by their hash, so that browsers cache them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from aiohttp import hdrs, web

_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "txt": "text/plain"}
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    body: bytes
    content_type: str
    etag: str


class StaticFiles:
    """Serves every file of ``static/`` below ``prefix``."""

    def __init__(self, prefix: str) -> None:
        found = [each for each in files("control_api.console").joinpath("static").iterdir() if each.is_file()]
        named = {each.name: _read(prefix, each.name, each.read_bytes()) for each in found}
        self._by_name: Mapping[str, _File] = named
        self._by_path = {each.path: each for each in named.values()}

    def path(self, name: str) -> str:
        """The URL path of the file ``name``. Raises ``KeyError`` if there is no such file."""
        return self._by_name[name].path

    def answer(self, request: web.Request) -> web.Response | None:
        """The file that ``request`` asks for; None if there is none."""
        found = self._by_path.get(request.path)
        if found is None:
            return None
        headers = {hdrs.CACHE_CONTROL: _FOR_EVER, hdrs.ETAG: f'"{found.etag}"'}
        if found.etag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        return web.Response(body=found.body, content_type=found.content_type, charset="utf-8", headers=headers)


def _read(prefix: str, name: str, body: bytes) -> _File:
    stem, _, ending = name.rpartition(".")
    etag = hashlib.sha256(body).hexdigest()[:_DIGITS]
    return _File(f"{prefix}{stem}.{etag}.{ending}", body, _TYPES[ending], etag)
