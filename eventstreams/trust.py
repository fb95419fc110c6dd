"""TLS as a client: which certificates are taken, the same whichever Python runs it."""

import ssl
from functools import cache
from pathlib import Path
from typing import Final, Literal

# ``ssl.create_default_context`` sets both from Python 3.13 on. The first refuses certificates without an authority key
# identifier or a key usage, as many companies' own authorities make them: a destination would be lost with a new
# interpreter, and Kafka to the router alone, since librdkafka goes on as before. The second takes an intermediate
# authority for a root.
_NOT_EVERYWHERE: Final = ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN


def client_tls(authorities: str | Path | None = None) -> ssl.SSLContext:
    """What checks certificates and names. It reads files, for some milliseconds the system's.

    Args:
        authorities: A file of those to trust, in PEM. None: the system's.

    Raises:
        ssl.SSLError: the file has no certificate.
        OSError: it cannot be read.
    """
    context = ssl.create_default_context(cafile=authorities)  # noqa: TID251 - here and nowhere else
    context.verify_flags &= ~_NOT_EVERYWHERE
    return context


def tls_to(url: str) -> ssl.SSLContext | Literal[True]:
    """For aiohttp's connector of a session that asks ``url`` alone, with the system's authorities."""
    return _of_the_system() if url.lower().startswith("https:") else True


@cache
def _of_the_system() -> ssl.SSLContext:
    return client_tls()
