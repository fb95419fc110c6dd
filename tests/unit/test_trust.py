"""Which certificates are taken: the same on every Python that is supported."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from eventstreams import trust
from eventstreams.client.connection import Connection
from eventstreams.sinks import Delivered, RetryLater, RetryReason
from eventstreams.testing.certificates import CertificateAuthority
from eventstreams.trust import tls_to
from tests.support.webhooks import deliver, raw_server

ROOT = Path(__file__).resolve().parents[2]
LOCAL = {"eventstreams/local/up.py", "eventstreams/verify/rollout/fleet.py", "eventstreams/verify/nemesis/site.py"}
"""They ask processes of this machine, by http."""


@pytest.fixture(autouse=True)
def read_anew() -> Iterator[None]:
    """The system's authorities are read once in a process: neither others' tests nor these are to see each other's."""
    trust._of_the_system.cache_clear()
    yield
    trust._of_the_system.cache_clear()


@asynccontextmanager
async def server_of(authority: CertificateAuthority, folder: Path) -> AsyncIterator[tuple[str, str]]:
    """Answers 200 with an empty object; its URL, and its certificate."""
    pair, tls = authority.issue("127.0.0.1"), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*pair.write(folder))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}")
        await writer.drain()

    async with raw_server(talk, tls=tls) as url:
        yield url, pair.certificate


@pytest.mark.parametrize("bare", [False, True], ids=["whole", "bare"])
async def test_a_private_authority_is_trusted_also_where_its_certificates_lack_the_ids_of_keys(
    bare: bool,  # noqa: FBT001 - a table
    tmp_path: Path,
) -> None:
    authority = CertificateAuthority.new(bare=bare)

    async with server_of(authority, tmp_path) as (url, _):
        assert await deliver(url, ca_certificate=authority.pem) == [Delivered()]


async def test_a_certificate_that_nobody_has_signed_for_itself_is_no_authority(tmp_path: Path) -> None:
    async with server_of(CertificateAuthority.new(), tmp_path) as (url, certificate):
        (outcome,) = await deliver(url, ca_certificate=certificate)

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.CONNECT_FAILED


async def test_the_apis_clients_trust_what_the_system_trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, trusted = CertificateAuthority.new(bare=True), tmp_path / "trusted.pem"
    trusted.write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))  # where OpenSSL looks for the system's

    async with (
        server_of(authority, tmp_path) as (url, _),
        Connection(url.removesuffix("/hook"), "user", "token", attempts=1) as api,
    ):
        assert await api.get("/v1/Sinks") == {}


def test_whoever_asks_by_https_trusts_the_same_on_every_python() -> None:
    """Aiohttp's own sessions trust what the interpreter does, which Python 3.13 has changed."""
    rooms = ("eventstreams", "producers", "router", "sink_workers", "control_api")
    files = [file for room in rooms for file in sorted((ROOT / room).rglob("*.py"))]
    asking = {str(file.relative_to(ROOT)) for file in files if re.search(r"ClientSession\(", file.read_text("utf-8"))}

    assert asking > LOCAL
    assert [file for file in sorted(asking - LOCAL) if "tls_to(" not in (ROOT / file).read_text("utf-8")] == []


def test_without_tls_no_authorities_are_read() -> None:
    assert tls_to("http://127.0.0.1:8080") is True
