"""An event loop that checks every connection with the guard, for sinks whose client library connects by itself.

A library that resolves names, follows a server's referrals to other servers, and reconnects as it likes cannot be told
where not to connect. So it runs on a loop of its own, in a thread of its own, which opens no socket to an address that
the guard forbids, and closes connections whose peer sends far more than is read.
"""

import asyncio
import contextlib
import logging
import socket
import threading
import weakref
from collections.abc import Callable, Coroutine
from functools import partial
from ssl import SSLContext
from typing import Final, TypeVar

from typing_extensions import Buffer, override

from eventstreams.sinks.connect import STAGGER_S, first_of
from eventstreams.sinks.guard import DestinationForbiddenError, DestinationGuard

UNREAD_BYTES: Final = 16 << 20  # on one connection; no answer that a sink waits for has a tenth of this
_END_S: Final = 5.0  # the most that cancelled tasks get to end; on a busy machine they can need it
_RARE: Final = {"family", "flags", "local_addr", "proto"}  # with these arguments asyncio connects its own way
_ROUNDS: Final = 3  # a task that ends may start something else, such as notifying the peer

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class GuardedLoop(asyncio.SelectorEventLoop):
    """Checks every connection with ``guard``: all of asyncio's transports and streams go through ``sock_connect``.

    A library that connects in threads or outside of Python would bypass it.

    Attributes:
        forbidden: Why the newest connection was forbidden; None if it was permitted.
    """

    def __init__(self, guard: DestinationGuard, *, unread_bytes: int = UNREAD_BYTES) -> None:
        super().__init__()
        self.set_exception_handler(_note)
        self.forbidden: DestinationForbiddenError | None = None
        self._past = guard
        self._unread_bytes = unread_bytes
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._opened: weakref.WeakSet[asyncio.BaseTransport] = weakref.WeakSet()

    @override
    async def sock_connect(self, sock: socket.socket, address: tuple[object, ...] | str | Buffer) -> None:
        await self._connect(sock, address)

    async def _connect(
        self, sock: socket.socket, address: tuple[object, ...] | str | Buffer, *, host: str = ""
    ) -> None:
        """``host``: what ``address`` was resolved from, if known."""
        self.forbidden = None
        try:
            self._past.check(_ip(address), host=host)
        except DestinationForbiddenError as error:
            self.forbidden = error
            raise
        self._sockets.add(sock)
        await super().sock_connect(sock, address)

    @override
    async def create_connection(  # type: ignore[override]  # its overloads say more, all with the factory first
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        sock: socket.socket | None = None,
        ssl: SSLContext | bool | None = None,
        server_hostname: str | None = None,
        **kwargs: object,
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        def bounded() -> asyncio.BaseProtocol:
            protocol = protocol_factory()
            if isinstance(protocol, asyncio.StreamReaderProtocol):
                _bound(protocol, self._unread_bytes)
            return protocol

        if host is not None and sock is None and not _RARE & kwargs.keys():
            sock = await self._dialled(host, port)
            server_hostname = host if ssl and server_hostname is None else server_hostname
            host = port = None
        kwargs |= {"sock": sock, "ssl": ssl, "server_hostname": server_hostname}
        made = await super().create_connection(bounded, host, port, **kwargs)  # type: ignore[call-overload]  # passed on
        self._opened.add(made[0])
        return made  # type: ignore[no-any-return]

    async def _dialled(self, host: str, port: int | None) -> socket.socket:
        """A socket to the first address of ``host`` that is permitted and answers; no other is waited for.

        asyncio's own ``happy_eyeballs_delay`` would leak a socket that connects while it is being cancelled.
        """
        found = await self.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        ways = [partial(self._dial, host, *each) for each in found]
        sock = await first_of(ways, stagger_s=STAGGER_S, failures=(OSError,), let_go=socket.socket.close)
        self.forbidden = None  # it was about another address of this host
        return sock

    async def _dial(
        self, host: str, family: int, kind: int, number: int, _: str, where: tuple[object, ...]
    ) -> socket.socket:
        sock = socket.socket(family, kind, number)
        try:
            sock.setblocking(False)
            await self._connect(sock, where, host=host)
        except BaseException:
            sock.close()
            raise
        return sock

    def cut(self) -> None:
        """Shut down every connection at once, whatever is in progress on it."""
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):  # already closed
                sock.shutdown(socket.SHUT_RDWR)

    async def abandon(self) -> None:
        """Close transports that a library has left open, as nothing can close them once the loop is closed."""
        for transport in list(self._opened):
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        await asyncio.sleep(0)  # they close in the loop's next iteration


class GuardedThread:
    """Runs coroutines of a client library on a ``GuardedLoop``. Its methods are called from the worker's loop.

    ``run`` costs two hops between threads, some 100 µs: once per batch, not per event.
    """

    def __init__(self, guard: DestinationGuard, *, name: str, unread_bytes: int = UNREAD_BYTES) -> None:
        self._loop = GuardedLoop(guard, unread_bytes=unread_bytes)
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def forbidden(self) -> DestinationForbiddenError | None:
        """Why the newest connection was forbidden; None if it was permitted."""
        return self._loop.forbidden

    async def run(self, work: Coroutine[object, object, Result]) -> Result:
        """Run ``work`` on the thread's loop and return or raise what it does. It is cancelled if the caller is.

        Raises:
            ConnectionAbortedError: the thread was closed before or meanwhile.
        """
        if self._closed:
            work.close()
            raise ConnectionAbortedError("the sink is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise ConnectionAbortedError("the sink was closed in the meantime") from None

    async def aclose(self) -> None:
        """End connections, then tasks, then the thread. ``run`` calls in progress raise ``ConnectionAbortedError``."""
        if not self._closed:
            self._closed = True
            try:
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_end_all(self._loop), self._loop))
            finally:
                self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, _END_S)

    def _work(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()


async def _end_all(loop: GuardedLoop) -> None:
    for _ in range(_ROUNDS):
        loop.cut()
        await asyncio.sleep(0)  # let tasks that were just created start
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=_END_S)
    await loop.abandon()


def _note(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Log unhandled errors of a library at debug level: of no use to operators, as failures are in the outcomes."""
    _log.debug("left unheard by a client library: %s", context.get("message"))


def _ip(address: object) -> str:
    """The IP address in a socket's ``address``, which asyncio resolves before connecting."""
    try:
        host = address[0] if isinstance(address, tuple) else ""
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except OSError:
        raise DestinationForbiddenError(DestinationForbiddenError.ERRNO, "it is not an IP address") from None
    return str(host)


def _bound(protocol: asyncio.StreamReaderProtocol, most: int) -> None:
    """Close the connection of ``protocol`` once more than ``most`` bytes wait to be read.

    A stream buffers as many bytes as its reader asks for, and with a length-prefixed protocol the peer chooses how many
    that is.
    """
    take = protocol.data_received

    def feed(data: bytes) -> None:
        take(data)
        reader: asyncio.StreamReader | None = getattr(protocol, "_stream_reader")  # noqa: B009 - typeshed lacks it
        if reader is not None and len(getattr(reader, "_buffer")) > most:  # noqa: B009 - likewise; a test holds both
            reader.set_exception(ConnectionAbortedError(f"more than {most} bytes came unasked for"))
            if (transport := getattr(protocol, "_transport")) is not None:  # noqa: B009
                transport.abort()

    protocol.data_received = feed  # type: ignore[method-assign]  # of this one connection
