"""TLS beyond the usual: authorities of a private network, and a certificate of our own to show."""

import secrets
import ssl
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

MAX_PEM: Final = 64 * 1024  # a chain, or the authorities of a large company


def check_authorities(pem: str) -> None:
    """Return if ``pem`` has certificates, and all can be read.

    Raises:
        ValueError: otherwise.
    """
    _certificates(pem)


def check_pair(certificate: str, key: str) -> None:
    """Return if ``key`` belongs to the first of the certificates in ``certificate``, both PEM.

    Raises:
        ValueError: otherwise, or one cannot be read; the text has nothing of either.
    """
    try:
        leaf = _certificates(certificate)[0]
    except ValueError as error:
        raise ValueError(f"client_certificate: {error}") from None
    if _spki(_private_key(key)) != leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        raise ValueError("client_key does not belong to the first certificate of client_certificate")


def client_context(*, authorities: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
    """A context that trusts the system's authorities and ``authorities``, and shows ``certificate``. Takes a while.

    OpenSSL takes a certificate's key from files alone, so the key is in one meanwhile, encrypted for this one time.
    """
    context = ssl.create_default_context()
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
    except ValueError:
        raise ValueError("it must be one or more certificates in PEM (-----BEGIN CERTIFICATE-----)") from None


def _private_key(pem: str) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise ValueError("client_key must not be encrypted: it is kept encrypted here anyhow") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("client_key must be a private key in PEM (-----BEGIN PRIVATE KEY-----)") from None


def _spki(key: PrivateKeyTypes) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
