"""TLS as a client: which certificates are accepted, independently of the Python version."""

import ssl
from functools import cache
from pathlib import Path
from typing import Final, Literal

# ``ssl.create_default_context`` sets both from Python 3.13 on. The first refuses certificates without an authority key
# identifier or a key usage, as many companies' own authorities issue them: with a new interpreter, destinations would
# become unreachable, and so would Kafka, but only for the router, as librdkafka does not change. The second accepts an
# intermediate authority as a root.
_NOT_EVERYWHERE: Final = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN


def client_tls(authorities: str | Path | None = None) -> ssl.SSLContext:
    """A context that verifies certificates and host names. It reads files; the system's take some milliseconds.

    Args:
        authorities: A PEM file of the certificate authorities to trust. None: the system's.

    Raises:
        ssl.SSLError: the file has no certificate.
        OSError: it cannot be read.
    """
    context = ssl.create_default_context(cafile=authorities)  # noqa: TID251 - here and nowhere else
    context.verify_flags &= ~_NOT_EVERYWHERE
    return context


def tls_to(url: str) -> ssl.SSLContext | Literal[True]:
    """The ``ssl`` argument for aiohttp, for requests to ``url`` only, with the system's authorities."""
    return _of_the_system() if url.lower().startswith("https:") else True


@cache
def _of_the_system() -> ssl.SSLContext:
    return client_tls()
