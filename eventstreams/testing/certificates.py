"""Certificates for tests of TLS."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: str
    key: str

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Files of both in ``folder``."""
        (folder / "certificate.pem").write_text(self.certificate)
        (folder / "key.pem").write_text(self.key)
        return folder / "certificate.pem", folder / "key.pem"


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """An authority that nobody knows but for the test."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def new(cls) -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Authority of the test")
        certificate = (
            _builder(name, key)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @property
    def pem(self) -> str:
        """The certificate to trust."""
        return _pem(self.certificate)

    def issue(self, host: str) -> Pair:
        """A pair for ``host``, a name or an IP address, on either side of a connection; valid for a day."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_name(host), key)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.SubjectAlternativeName([_san(host)]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return Pair(_pem(certificate), _key_pem(key))


def self_signed(host: str, folder: Path) -> tuple[Path, Path]:
    """Files, in ``folder``, of a certificate for ``host`` that nobody vouches for, valid for a day, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(host)
    certificate = (
        _builder(name, key)
        .issuer_name(name)
        .add_extension(x509.SubjectAlternativeName([_san(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(_pem(certificate), _key_pem(key)).write(folder)


def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _san(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
