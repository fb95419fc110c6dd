"""TLS: whom we trust, and the certificate that we show."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr, ValidationError

from eventstreams.sinks import Delivered, RetryLater, RetryReason
from eventstreams.testing.certificates import CertificateAuthority, self_signed
from sink_workers.plugins.webhook import PLUGIN
from sink_workers.plugins.webhook.config import WebhookConfig
from tests.support.webhooks import deliver, raw_server, read_request

AUTHORITY = CertificateAuthority.new()
CLIENT = AUTHORITY.issue("client.example")
URL = "https://h.example/x"


@asynccontextmanager
async def tls_server(folder: Path, *, host: str = "127.0.0.1", clients: str | None = None) -> AsyncIterator[str]:
    """Answers 200. ``clients``: the authority that must have issued a client's certificate."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*AUTHORITY.issue(host).write(folder))
    if clients is not None:
        server.verify_mode = ssl.CERT_REQUIRED
        server.load_verify_locations(cadata=clients)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    async with raw_server(talk, tls=server) as url:
        yield url


def problem_with(**configuration: object) -> str:
    with pytest.raises(ValidationError) as caught:
        WebhookConfig.model_validate({"destination": URL, **configuration})
    return str(caught.value) + json.dumps(caught.value.errors(include_input=False, include_context=False))


async def test_a_private_authority_is_trusted_where_it_is_given(tmp_path: Path) -> None:
    async with tls_server(tmp_path) as url:
        assert await deliver(url, ca_certificate=AUTHORITY.pem) == [Delivered()]


async def test_a_private_authority_is_refused_where_it_is_not_given(tmp_path: Path) -> None:
    async with tls_server(tmp_path) as url:
        outcomes = [*await deliver(url), *await deliver(url, ca_certificate=CertificateAuthority.new().pem)]

    for outcome in outcomes:
        assert isinstance(outcome, RetryLater)
        assert outcome.reason is RetryReason.CONNECT_FAILED
        assert outcome.detail.startswith("the certificate was refused: ")


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    async with tls_server(tmp_path, host="other.example") as url:
        (outcome,) = await deliver(url, ca_certificate=AUTHORITY.pem)

    assert isinstance(outcome, RetryLater)
    assert "the certificate was refused: IP address mismatch" in outcome.detail


async def test_a_self_signed_certificate_stays_refused_with_another_authority(tmp_path: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*self_signed("127.0.0.1", tmp_path))

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(talk, tls=server) as url:
        (outcome,) = await deliver(url, ca_certificate=AUTHORITY.pem)

    assert outcome == RetryLater(RetryReason.CONNECT_FAILED, "the certificate was refused: self-signed certificate")


async def test_a_destination_that_asks_for_a_certificate_gets_ours(tmp_path: Path) -> None:
    async with tls_server(tmp_path, clients=AUTHORITY.pem) as url:
        outcomes = await deliver(
            url,
            ca_certificate=AUTHORITY.pem,
            client_certificate=CLIENT.certificate,
            client_key=CLIENT.key,
        )

    assert outcomes == [Delivered()]


async def test_a_destination_that_asks_for_a_certificate_and_gets_none_is_tried_again(tmp_path: Path) -> None:
    async with tls_server(tmp_path, clients=AUTHORITY.pem) as url:
        (outcome,) = await deliver(url, ca_certificate=AUTHORITY.pem)

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.CONNECT_FAILED


async def test_a_server_that_speaks_no_tls_is_tried_again() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_server(talk) as url:
        (outcome,) = await deliver(url.replace("http:", "https:"))

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.CONNECT_FAILED
    assert outcome.detail == "no connection: it does not speak TLS at this port, so https is wrong, or the port"


async def test_a_server_that_hangs_up_in_the_handshake_is_tried_again() -> None:
    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(10)

    async with raw_server(talk) as url:
        (outcome,) = await deliver(url.replace("http:", "https:"))

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.CONNECT_FAILED


def test_the_key_is_not_shown_again() -> None:
    given = {"client_certificate": CLIENT.certificate, "client_key": CLIENT.key, "ca_certificate": AUTHORITY.pem}
    config = WebhookConfig.model_validate({"destination": URL, **given})

    shown = PLUGIN.public(config)
    assert shown["client_key"] == "********"
    assert shown["client_certificate"] == CLIENT.certificate
    assert shown["ca_certificate"] == AUTHORITY.pem
    assert "PRIVATE KEY" not in repr(config)


def test_a_key_that_belongs_to_another_certificate_is_refused() -> None:
    other = AUTHORITY.issue("client.example").key

    said = problem_with(client_certificate=CLIENT.certificate, client_key=other)

    assert "client_key does not belong to the first certificate of client_certificate" in said
    assert other.splitlines()[1] not in said


def test_an_encrypted_key_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2")).decode()

    assert "client_key must not be encrypted" in problem_with(client_certificate=CLIENT.certificate, client_key=locked)


def rsa_key(p: int, q: int, /, **changes: int) -> str:
    """A key of RSA in PEM, of any size at once: nobody asks whether it makes sense."""
    d = pow(65537, -1, (p - 1) * (q - 1))
    parts = {"n": p * q, "e": 65537, "d": d, "p": p, "q": q, "dp": d % (p - 1), "dq": d % (q - 1), "qi": pow(q, -1, p)}
    body = b"".join(_der(0x02, each.to_bytes(each.bit_length() // 8 + 1)) for each in (0, *(parts | changes).values()))
    lines = base64.encodebytes(_der(0x30, body)).decode()
    return f"-----BEGIN RSA PRIVATE KEY-----\n{lines}-----END RSA PRIVATE KEY-----\n"


def _der(tag: int, body: bytes) -> bytes:
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8)
    return bytes([tag, *([len(body)] if len(body) < 128 else [0x80 | len(size), *size])]) + body


def mersenne(exponent: int) -> int:
    """A prime: nothing takes as long to be found to be one."""
    return (1 << exponent) - 1


def test_a_key_that_would_take_hours_to_be_checked_is_refused_at_once() -> None:
    key = rsa_key(mersenne(44497), mersenne(23209))  # a quarter of it took 87 s

    said = problem_with(client_certificate=CLIENT.certificate, client_key=key)

    assert "client_key has 67706 bits: at most 4096 are allowed" in said


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"dp": 3}, id="an exponent of one of its primes"),
        pytest.param({"qi": 2}, id="the inverse of one by the other"),
        pytest.param({"d": mersenne(9689)}, id="an exponent that is larger than all of it"),
        pytest.param({"p": mersenne(9689)}, id="a prime that is no part of it"),
        pytest.param({"p": 1, "q": mersenne(1279) * mersenne(2203)}, id="one, which is none"),
    ],
)
def test_a_key_of_numbers_that_do_not_fit_together_is_refused(changes: dict[str, int]) -> None:
    key = rsa_key(mersenne(1279), mersenne(2203), **changes)

    said = problem_with(client_certificate=CLIENT.certificate, client_key=key)

    assert "client_key is inconsistent: its numbers do not match each other" in said


@pytest.mark.parametrize("bits", [2048, 4096])
def test_a_key_of_rsa_is_taken_with_its_own_certificate_and_no_other(bits: int) -> None:
    key = rsa.generate_private_key(65537, bits)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rsa.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .sign(key, SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()

    config = WebhookConfig(destination=URL, client_certificate=certificate, client_key=SecretStr(pem))
    said = problem_with(client_certificate=CLIENT.certificate, client_key=pem)

    assert config.client_key is not None
    assert "client_key does not belong to the first certificate" in said


def test_a_key_of_a_kind_that_tls_does_not_use_is_refused() -> None:
    key = dsa.generate_private_key(1024)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    said = problem_with(client_certificate=CLIENT.certificate, client_key=pem)

    assert "client_key must be an RSA, elliptic-curve, Ed25519 or Ed448 key" in said


@pytest.mark.parametrize("key", ["", "hunter2", CLIENT.certificate, CLIENT.key[:-60]])
def test_what_is_no_key_is_refused_without_repeating_it(key: str) -> None:
    said = problem_with(client_certificate=CLIENT.certificate, client_key=key)

    assert "client_key must be a private key in PEM" in said
    assert not key or key not in said


@pytest.mark.parametrize("pem", ["", "hunter2", CLIENT.key, AUTHORITY.pem[:-60]])
def test_what_is_no_certificate_is_refused(pem: str) -> None:
    assert "must be one or more certificates in PEM" in problem_with(ca_certificate=pem)
    assert "must be one or more certificates in PEM" in problem_with(client_certificate=pem, client_key=CLIENT.key)


def altered(pem: str, was: str, to: str) -> str:
    """``pem``, a certificate, with other bytes in place of the first ``was``, both in hexadecimal."""
    der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    return ssl.DER_cert_to_PEM_cert(der.replace(bytes.fromhex(was), bytes.fromhex(to), 1))


def test_a_certificate_of_a_version_that_there_is_not_is_refused() -> None:
    pem = altered(CLIENT.certificate, "a003020102", "a003020105")

    assert "must be one or more certificates in PEM" in problem_with(ca_certificate=pem)
    assert "must be one or more certificates in PEM" in problem_with(client_certificate=pem, client_key=CLIENT.key)


def test_a_certificate_with_a_key_of_an_unknown_kind_is_refused() -> None:
    pem = altered(CLIENT.certificate, "06082a8648ce3d030107", "06082a8648ce3d030177")  # the curve

    said = problem_with(client_certificate=pem, client_key=CLIENT.key)

    assert "client_certificate: its key type is not supported" in said


def test_a_certificate_and_its_key_go_together() -> None:
    assert "must be given together" in problem_with(client_certificate=CLIENT.certificate)
    assert "must be given together" in problem_with(client_key=CLIENT.key)


def test_certificates_are_for_https() -> None:
    said = problem_with(destination="http://h.example", ca_certificate=AUTHORITY.pem)

    assert "certificates require an https destination" in said


def test_other_kinds_of_keys_can_be_used() -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()

    assert "does not belong" in problem_with(client_certificate=CLIENT.certificate, client_key=pem)
