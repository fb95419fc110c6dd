"""TLS options of a sink's configuration: private certificate authorities, and client certificates."""

import asyncio
import secrets
import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from pydantic import AfterValidator, Field, SecretStr

from eventstreams.trust import client_tls

MOST_RSA_BITS: Final = 4096  # with more, each connection takes a worker a tenth of a second or longer
MAX_PEM: Final = 64 * 1024  # a chain, or the authorities of a large company


PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey


def _are_authorities(pem: str | None) -> str | None:
    if pem is not None:
        _certificates(pem)
    return pem


Authorities = Annotated[
    str | None,
    Field(
        max_length=MAX_PEM,
        repr=False,
        description="CA certificates to trust in addition to the system's, in PEM, for a server certificate from "
        "a private CA.",
    ),
    AfterValidator(_are_authorities),
]
ClientCertificate = Annotated[
    str | None,
    Field(
        max_length=MAX_PEM,
        repr=False,
        description="Client certificate, in PEM, leaf first. Requires `client_key`.",
    ),
]
ClientKey = Annotated[
    SecretStr | None,
    Field(
        max_length=MAX_PEM,
        description="Private key of `client_certificate`, in PEM. RSA keys may have up to 4096 bits.",
    ),
]


def check_pair(certificate: str | None, key: SecretStr | None) -> None:
    """Check that ``key`` belongs to the first certificate in ``certificate``, both in PEM, or that both are None.

    Raises:
        ValueError: it does not, only one is given, or one cannot be read. The message contains nothing of either.
    """
    if (certificate is None) != (key is None):
        raise ValueError("client_certificate and client_key must be given together")
    if certificate is None or key is None:
        return
    try:
        leaf = _certificates(certificate)[0].public_key()
    except (UnsupportedAlgorithm, InternalError):
        raise ValueError("client_certificate: its key type is not supported") from None
    except ValueError as error:
        raise ValueError(f"client_certificate: {error}") from None
    if _spki(_private_key(key)) != leaf.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise ValueError("client_key does not belong to the first certificate of client_certificate")


async def client_context(
    authorities: str | None, certificate: str | None = None, key: SecretStr | None = None
) -> ssl.SSLContext:
    """Create a context that trusts the system's authorities and ``authorities``, and presents ``certificate``.

    It is created in a thread, because that takes a while.
    """
    return await asyncio.to_thread(_context, authorities, certificate, key)


def _context(authorities: str | None, certificate: str | None, key: SecretStr | None) -> ssl.SSLContext:
    """OpenSSL reads a certificate's key only from a file: it is a temporary one, encrypted with a one-time password."""
    context = client_tls()
    if authorities is not None:
        context.load_verify_locations(cadata=authorities)
    if certificate is not None and key is not None:
        password = secrets.token_bytes(32).hex().encode()
        locked = _private_key(key).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
        with TemporaryDirectory(prefix="eventstreams-") as folder:
            file = Path(folder, "pair.pem")
            file.write_bytes(locked + certificate.encode())
            context.load_cert_chain(file, password=password)
    return context


def _certificates(pem: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except (ValueError, x509.InvalidVersion):
        raise ValueError("it must be one or more certificates in PEM (-----BEGIN CERTIFICATE-----)") from None


def _private_key(key: SecretStr) -> PrivateKey:
    try:
        # Primes are not tested: with a maliciously crafted key that takes hours, during which the process that checks
        # the configuration answers nobody else. If they are not primes, connections fail.
        found = load_pem_private_key(
            key.get_secret_value().encode(), password=None, unsafe_skip_rsa_key_validation=True
        )
    except TypeError:
        raise ValueError("client_key must not be encrypted: it is stored encrypted in any case") from None
    except (ValueError, UnsupportedAlgorithm, InternalError):  # OpenSSL's InternalError: for Diffie-Hellman keys
        raise ValueError("client_key must be a private key in PEM (-----BEGIN PRIVATE KEY-----)") from None

    if isinstance(found, RSAPrivateKey):
        _check_rsa(found)
        return found
    if isinstance(found, EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey):
        return found
    raise ValueError("client_key must be an RSA, elliptic-curve, Ed25519 or Ed448 key")


def _check_rsa(key: RSAPrivateKey) -> None:
    """Check that ``key`` is small enough and its numbers are consistent; raises ValueError otherwise."""
    if key.key_size > MOST_RSA_BITS:
        raise ValueError(f"client_key has {key.key_size} bits: at most {MOST_RSA_BITS} are allowed")
    numbers = key.private_numbers()
    n, e, p, q, d = numbers.public_numbers.n, numbers.public_numbers.e, numbers.p, numbers.q, numbers.d
    fit = (
        all(1 < each < n for each in (p, q, d))
        and p * q == n
        and (numbers.dmp1, numbers.dmq1) == (d % (p - 1), d % (q - 1))
        and numbers.iqmp * q % p == 1
        and e * d % (p - 1) == e * d % (q - 1) == 1
    )
    if not fit:
        raise ValueError("client_key is inconsistent: its numbers do not match each other")


def _spki(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
