"""An option of a command that is a URL."""

from typing import Final

import click
from typing_extensions import override

from eventstreams.settings.urls import is_http_url


class _Url(click.ParamType):
    """Refused where nothing could be asked at it: a name without ``http://`` would be asked until time is up."""

    name = "URL"

    @override
    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return self.name

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        if not (isinstance(value, str) and is_http_url(value)):
            self.fail(f"{value!r} must be a URL such as https://events.example.com", param, ctx)
        return value


URL: Final = _Url()
