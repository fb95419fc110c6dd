"""TLS and SASL configuration for librdkafka's clients, and explanations of their failures. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaError
from pydantic import SecretStr

from eventstreams.settings.kafka import KafkaSettings

_SSL: Final = KafkaError._SSL  # noqa: SLF001 - librdkafka's own errors have such names
_AUTHENTICATION: Final = KafkaError._AUTHENTICATION  # noqa: SLF001 - as above
# Errors of a broker, or about its certificate, that neither waiting nor another address will cure.
_REFUSALS: Final = frozenset({_SSL, _AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED})
_HANDSHAKE: Final = "SSL handshake failed"  # some of these carry the error code of an unreachable broker
# Where inside the client it happened, which does not help the reader.
_INSIDE: Final = re.compile(r"^\w+://\S+: |\(after \d+ms in state [^)]*\)|error:[0-9A-F]+:")


def security_config(settings: KafkaSettings) -> Mapping[str, str]:
    """What to add to a client's configuration. Contains only the properties that the settings require."""
    wanted = {
        "security.protocol": _protocol(settings),
        "ssl.ca.location": settings.kafka_tls_authorities,
        "ssl.certificate.location": settings.kafka_tls_certificate,
        "ssl.key.location": settings.kafka_tls_key,
        "ssl.key.password": settings.kafka_tls_key_password,
        "client.rack": settings.kafka_rack,
        **_authentication(settings),
    }
    return {name: _text(value) for name, value in wanted.items() if value is not None}


def is_refusal(error: KafkaError) -> bool:
    """Whether ``error`` is a TLS or authentication failure, rather than a network problem or an unreachable broker."""
    return error.code() in _REFUSALS or _HANDSHAKE in error.str()


def refusal(settings: KafkaSettings, error: KafkaError) -> str:
    """The sentence for the operator: which Kafka refused us, librdkafka's own text, and the settings to check."""
    where = f"Kafka at {settings.kafka}"
    words = _INSIDE.sub("", error.str()).strip()
    if error.code() != _SSL and _HANDSHAKE not in words:
        which = "EVENTSTREAMS_KAFKA_USERNAME and EVENTSTREAMS_KAFKA_PASSWORD"
        if settings.kafka_sasl == "OAUTHBEARER":
            which = "EVENTSTREAMS_KAFKA_OAUTH_CLIENT_ID and EVENTSTREAMS_KAFKA_OAUTH_CLIENT_SECRET"
        return f"{where} refuses our credentials ({words}): check EVENTSTREAMS_KAFKA_SASL, {which}"
    if "verif" in words:
        return (
            f"{where} presents a certificate that is not trusted ({words}): set EVENTSTREAMS_KAFKA_TLS_AUTHORITIES "
            "to the authority that signed it, and address brokers by the names in their certificates"
        )
    return f"{where} fails the TLS handshake ({words}): check EVENTSTREAMS_KAFKA_TLS, and whether this port uses TLS"


def _protocol(settings: KafkaSettings) -> str | None:
    if settings.kafka_sasl == "none":
        return "SSL" if settings.kafka_tls else None
    return "SASL_SSL" if settings.kafka_tls else "SASL_PLAINTEXT"


def _authentication(settings: KafkaSettings) -> Mapping[str, object]:
    if settings.kafka_sasl == "none":
        return {}
    if settings.kafka_sasl != "OAUTHBEARER":
        return {
            "sasl.mechanism": settings.kafka_sasl,
            "sasl.username": settings.kafka_username,
            "sasl.password": settings.kafka_password,
        }
    return {
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": settings.kafka_oauth_token_url,
        "sasl.oauthbearer.client.id": settings.kafka_oauth_client_id,
        "sasl.oauthbearer.client.secret": settings.kafka_oauth_client_secret,
        "sasl.oauthbearer.scope": settings.kafka_oauth_scope,
    }


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
