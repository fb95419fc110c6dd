"""Opens listening sockets as settings say: ``host:port``, or ``fd://N`` for one inherited from the parent process.

A supervisor that opens the sockets and passes them on knows at once if a port is taken, and while a role restarts, its
clients wait instead of being refused.
"""

import errno
import socket
from typing import Final
from urllib.parse import urlsplit

from eventstreams.errors import PrerequisiteError, SettingsError

_BACKLOG: Final = 1024
_FD: Final = "fd://"
_HTTP: Final = 80
_LOOPBACK_OF: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - looked up, not listened on


def open_socket(listen: str, *, setting: str, host_setting: str = "") -> socket.socket:
    """A listening TCP socket for ``listen``.

    Args:
        listen: ``host:port`` (port 0: any free one), or ``fd://N``.
        setting: The name of the setting, for errors.
        host_setting: The name of the one for the host, if it has its own.

    Raises:
        SettingsError: ``listen`` has neither form, or no such socket was inherited.
        PrerequisiteError: the port is taken or may not be used.
    """
    if listen.startswith(_FD) and listen.removeprefix(_FD).isdecimal():
        return _handed_over(int(listen.removeprefix(_FD)), f"{setting} is {listen!r}")
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - TCP's largest port
        raise SettingsError(f"{setting} is {listen!r}: it must be host:port, such as 127.0.0.1:8080")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((host.strip("[]"), int(port)))
        opened.listen(_BACKLOG)
    except (TypeError, UnicodeError) as error:  # what Python raises for a text that cannot be a host name
        opened.close()
        named = f"{host_setting} is {host!r}: it" if host_setting else f"{setting} is {listen!r}: {host!r}"
        raise SettingsError(f"{named} is not a host name") from error
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRINUSE:
            raise PrerequisiteError(f"{listen} is in use by another program: choose another {setting}") from error
        is_the_host = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
        named = host_setting if host_setting and is_the_host else setting
        follows = ": use an address of this machine, such as 127.0.0.1" if is_the_host else ""
        raise PrerequisiteError(f"{named}: cannot listen on {listen}: {error.strerror}{follows}") from error
    opened.setblocking(False)
    return opened


def _handed_over(number: int, what: str) -> socket.socket:
    try:
        opened = socket.socket(fileno=number)
    except (OSError, OverflowError) as error:
        raise SettingsError(f"{what}: this process was not given such a socket") from error
    if not opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        opened.detach()  # do not close it: something else in this process may be using it
        raise SettingsError(f"{what}: this socket does not listen")
    return opened


def address_of(opened: socket.socket) -> str:
    """``host:port`` that ``opened`` listens on."""
    host, port = opened.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def local_url(opened: socket.socket) -> str:
    """The URL at which programs on this machine reach a server on ``opened``."""
    host, _, port = address_of(opened).rpartition(":")
    return f"http://{_LOOPBACK_OF.get(host, host)}:{port}"


def address_towards(url: str) -> str:
    """This machine's own address towards ``url``, in the form for a URL. Sends nothing.

    Raises:
        SettingsError: the host has no address, or there is no route to it.
    """
    parts = urlsplit(url)
    try:
        family, _, _, _, address = socket.getaddrinfo(parts.hostname, parts.port or _HTTP, type=socket.SOCK_DGRAM)[0]
        assert family in {socket.AF_INET, socket.AF_INET6}
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)
            found = str(probe.getsockname()[0])
    except (OSError, UnicodeError) as error:  # the latter of a name that can be none
        why = error.strerror if isinstance(error, OSError) else "it is not a host name"
        raise SettingsError(f"{parts.hostname} in {url} cannot be reached from here ({why}): correct the URL") from None
    return f"[{found}]" if family == socket.AF_INET6 else found
