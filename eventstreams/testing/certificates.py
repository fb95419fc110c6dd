"""Certificates for tests of TLS."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SIGNS: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, both PEM."""

    certificate: str
    key: str

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write both to files in ``folder``, and return the files: certificate, key."""
        (folder / "certificate.pem").write_text(self.certificate)
        (folder / "key.pem").write_text(self.key)
        return folder / "certificate.pem", folder / "key.pem"


@dataclass(frozen=True, slots=True)
class CertificateAuthority:
    """A certificate authority that only the test knows.

    Attributes:
        bare: Whether its certificates lack key identifiers and key usage (RFC 5280, 4.2.1.1 to 3), like those of many
            companies' own authorities. From 3.13 on, Python refuses them by default.
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    bare: bool = False

    @classmethod
    def new(cls, *, bare: bool = False) -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Authority of the test")
        builder = (
            _builder(name, key)
            .issuer_name(name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        )
        if not bare:
            known_by = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
            builder = builder.add_extension(known_by, critical=False).add_extension(_SIGNS, critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key, bare)

    @property
    def pem(self) -> str:
        """The authority's certificate, to be trusted, as PEM."""
        return _pem(self.certificate)

    def issue(self, host: str) -> Pair:
        """Issue a pair for ``host``, a name or an IP address, for use as server or client; valid for a day."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(_name(host), key)
            .issuer_name(self.certificate.subject)
            .add_extension(x509.SubjectAlternativeName([_san(host)]), critical=False)
        )
        if not self.bare:
            ours = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
            builder = builder.add_extension(ours, critical=False)
        return Pair(_pem(builder.sign(self.key, hashes.SHA256())), _key_pem(key))


def self_signed(host: str, folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for ``host``, valid for a day, and its key to files in ``folder``."""
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
