"""Settings of encryption and authentication: what does not go together is said before anything runs."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from eventstreams.errors import SettingsError
from eventstreams.kafka.security import security_config
from eventstreams.settings import Settings
from eventstreams.testing.certificates import CertificateAuthority

PASSWORDS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
OAUTH = {
    "kafka_oauth_token_url": "https://id.example/token",
    "kafka_oauth_client_id": "eventstreams",
    "kafka_oauth_client_secret": "secret",
}


def problem(**given: object) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.load(**given)
    return str(caught.value)


def test_without_any_nothing_is_added() -> None:
    assert security_config(Settings.load()) == {}


@pytest.mark.parametrize(
    ("given", "protocol"),
    [
        ({"kafka_tls": True}, "SSL"),
        ({"kafka_sasl": "PLAIN", "kafka_username": "u", "kafka_password": "p"}, "SASL_PLAINTEXT"),
        ({"kafka_sasl": "PLAIN", "kafka_username": "u", "kafka_password": "p", "kafka_tls": True}, "SASL_SSL"),
        ({"kafka_sasl": "OAUTHBEARER", "kafka_tls": True, **OAUTH}, "SASL_SSL"),
    ],
)
def test_the_protocol_follows(given: Mapping[str, object], protocol: str) -> None:
    assert security_config(Settings.load(**given))["security.protocol"] == protocol


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"kafka_sasl": "SCRAM-SHA-512", "kafka_username": "u"},
            "EVENTSTREAMS_KAFKA_SASL is SCRAM-SHA-512, so EVENTSTREAMS_KAFKA_PASSWORD must be set",
        ),
        (
            {"kafka_username": "u", "kafka_password": "p"},
            f"EVENTSTREAMS_KAFKA_USERNAME is set, so EVENTSTREAMS_KAFKA_SASL must be {' or '.join(PASSWORDS)}",
        ),
        (
            OAUTH,
            "EVENTSTREAMS_KAFKA_OAUTH_TOKEN_URL is set, so EVENTSTREAMS_KAFKA_SASL must be OAUTHBEARER",
        ),
        (
            {"kafka_oauth_scope": "kafka"},
            "EVENTSTREAMS_KAFKA_OAUTH_SCOPE is set, so EVENTSTREAMS_KAFKA_SASL must be OAUTHBEARER",
        ),
        (
            {"kafka_sasl": "OAUTHBEARER"},
            "EVENTSTREAMS_KAFKA_SASL is OAUTHBEARER, so EVENTSTREAMS_KAFKA_OAUTH_TOKEN_URL must be set",
        ),
        (
            {"kafka_tls_key_password": "p"},
            "EVENTSTREAMS_KAFKA_TLS_KEY_PASSWORD is set, so EVENTSTREAMS_KAFKA_TLS_KEY must be set too",
        ),
    ],
)
def test_what_does_not_go_together_is_said(given: Mapping[str, object], words: str) -> None:
    assert problem(**given) == words


def test_a_certificate_is_nothing_without_tls_or_without_its_key(tmp_path: Path) -> None:
    pem = tmp_path / "c.pem"
    pem.write_text("")

    assert problem(kafka_tls_certificate=pem) == (
        "EVENTSTREAMS_KAFKA_TLS_CERTIFICATE is set, so EVENTSTREAMS_KAFKA_TLS must be true"
    )
    assert problem(kafka_tls=True, kafka_tls_certificate=pem) == (
        "EVENTSTREAMS_KAFKA_TLS_CERTIFICATE is set, so EVENTSTREAMS_KAFKA_TLS_KEY must be set too"
    )


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    assert problem(kafka_tls=True, kafka_tls_authorities=tmp_path / "none.pem") == (
        f"EVENTSTREAMS_KAFKA_TLS_AUTHORITIES is '{tmp_path}/none.pem': it must be a PEM file that this process can "
        "read (No such file or directory)"
    )


def test_a_file_without_a_certificate_is_said(tmp_path: Path) -> None:
    pem = tmp_path / "ca.pem"
    pem.write_text("no certificate")

    assert problem(kafka_tls=True, kafka_tls_authorities=pem) == (
        f"EVENTSTREAMS_KAFKA_TLS_AUTHORITIES: {pem} has no certificate; it must be a PEM file, beginning with "
        "-----BEGIN CERTIFICATE-----"
    )


def test_a_key_that_is_anothers_or_stays_shut_is_said(tmp_path: Path) -> None:
    authority = CertificateAuthority.new()
    certificate, key = authority.issue("router.example").write(tmp_path)
    ours = {"kafka_tls": True, "kafka_tls_certificate": certificate, "kafka_tls_key": key}
    shut = tmp_path / "shut.pem"
    shut.write_bytes(
        load_pem_private_key(key.read_bytes(), None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame")
        )
    )
    (tmp_path / "other").mkdir()
    _, anothers = authority.issue("other.example").write(tmp_path / "other")

    assert Settings.load(**ours).kafka_tls_key == key
    assert Settings.load(**{**ours, "kafka_tls_key": shut, "kafka_tls_key_password": "open sesame"}).kafka_tls
    for wrong in ({"kafka_tls_key": anothers}, {"kafka_tls_key": shut}):
        words = problem(**{**ours, **wrong})
        assert words.startswith(f"EVENTSTREAMS_KAFKA_TLS_CERTIFICATE and _KEY: {certificate} and ")
        assert words.endswith("a certificate and its key, and EVENTSTREAMS_KAFKA_TLS_KEY_PASSWORD must open it")


def test_secrets_do_not_show() -> None:
    given = Settings.load(kafka_sasl="PLAIN", kafka_username="u", kafka_password="hush-hush")

    assert "hush-hush" not in repr(given)
    assert "hush-hush" not in problem(kafka_sasl="PLAIN", kafka_password="hush-hush")
