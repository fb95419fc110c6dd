"""``eventstreams health``: asks the role in this container or on this machine for its health.

Containers run it every few seconds, so it imports next to nothing, not even the settings (0.1 s of CPU instead of 0.3).
"""

import os
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Final

import click

from eventstreams.cli.terminal import harmless, harmless_lines

SETTING: Final = "EVENTSTREAMS_ADMIN_LISTEN"
DEFAULT: Final = "0.0.0.0:9100"
_EVERYWHERE: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked up, not listened on
_LAST_PORT: Final = 65535
_MOST_SHOWN: Final = 1000  # bytes; a reason is a line


@click.command()
@click.option(
    "--live", is_flag=True, help="Ask /livez instead: whether it is permanently stuck, so that only a restart helps."
)
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1, 60), default=3.0, show_default=True, help="Seconds to wait."
)
def health(
    live: bool,  # noqa: FBT001 - click passes it by name
    timeout_s: float,
) -> None:
    """Check whether the role running next to this command is ready: exit code 0, or 1 with the reason.

    It connects to the address in EVENTSTREAMS_ADMIN_LISTEN.
    """
    host, port = _address(os.environ.get(SETTING, DEFAULT))
    connection = HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", "/livez" if live else "/readyz")
        answer = connection.getresponse()
        told = answer.read(_MOST_SHOWN).decode(errors="replace").strip()
    except (OSError, HTTPException, UnicodeError) as error:  # the last of a name that can be none
        click.echo(harmless(f"nothing answers at {host}:{port}: {str(error) or type(error).__name__}"), err=True)
        sys.exit(1)
    finally:
        connection.close()
    click.echo(harmless_lines(told), err=answer.status != HTTPStatus.OK)
    sys.exit(answer.status != HTTPStatus.OK)


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > _LAST_PORT:  # as the role itself would
        raise click.UsageError(f"{SETTING} is {listen!r}: it must be host:port, such as {DEFAULT}")
    host = host.strip("[]")
    return _EVERYWHERE.get(host, host), int(port)
