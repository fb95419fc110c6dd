"""The settings for connecting to Kafka, with encryption and authentication, and which of them belong together."""

import ssl
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from eventstreams.settings.urls import http_url
from eventstreams.trust import client_tls

_PASSWORD_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def _readable(value: Path | None) -> Path | None:
    if value is not None:
        try:
            with value.open("rb"):
                pass
        except OSError as error:
            raise ValueError(f"it must be a PEM file that this process can read ({error.strerror})") from None
    return value


PemFile = Annotated[Path | None, AfterValidator(_readable)]


class KafkaSettings(BaseSettings):
    """What every Kafka client needs to know."""

    kafka: str = Field("127.0.0.1:9092", min_length=1, description="Kafka's bootstrap servers, `host:port,…`.")
    kafka_tls: bool = Field(False, description="Connect to Kafka over TLS; its certificate and host name are checked.")
    kafka_tls_authorities: PemFile = Field(
        None,
        description="PEM file with the CA certificates that sign the brokers' certificates; default: the system's.",
    )
    kafka_tls_certificate: PemFile = Field(
        None, description="PEM file with the client certificate, for a Kafka that requires one (mutual TLS)."
    )
    kafka_tls_key: PemFile = Field(None, description="PEM file with the private key of the client certificate.")
    kafka_tls_key_password: SecretStr | None = Field(None, description="Password of that key.")
    kafka_sasl: Literal["none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = Field(
        "none", description="SASL mechanism; `none`: no SASL, for example with mutual TLS."
    )
    kafka_username: str | None = Field(None, description="User name for `PLAIN` and `SCRAM-…`.")
    kafka_password: SecretStr | None = Field(None, description="Password of that user.")
    kafka_oauth_token_url: Annotated[str | None, AfterValidator(http_url)] = Field(
        None,
        pattern=r"^https?://[^/]",
        description="Token endpoint for `OAUTHBEARER` (client credentials, RFC 6749).",
    )
    kafka_oauth_client_id: str | None = Field(None, description="Client ID for the token endpoint.")
    kafka_oauth_client_secret: SecretStr | None = Field(None, description="Client secret for the token endpoint.")
    kafka_oauth_scope: str | None = Field(None, description="Scope of the token; default: the server's.")
    kafka_rack: str | None = Field(
        None,
        description="Rack of this process, in the same terms as the brokers' `broker.rack`: workers and the API "
        "fetch from the closest replica.",
    )

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        """Refuse half of a pair, or part of a feature that is off: such mistakes would show much later, or never."""
        for name in ("kafka_tls_authorities", "kafka_tls_certificate"):
            if getattr(self, name) is not None and not self.kafka_tls:
                raise ValueError(f"{_variable(name)} is set, so EVENTSTREAMS_KAFKA_TLS must be true")
        self._need("kafka_tls_certificate", "kafka_tls_key", together=True)
        self._need("kafka_tls_key_password", "kafka_tls_key")
        passwords = self.kafka_sasl in _PASSWORD_MECHANISMS
        self._of_mechanism(passwords, " or ".join(_PASSWORD_MECHANISMS), "kafka_username", "kafka_password")
        oauth = ("kafka_oauth_token_url", "kafka_oauth_client_id", "kafka_oauth_client_secret")
        self._of_mechanism(self.kafka_sasl == "OAUTHBEARER", "OAUTHBEARER", *oauth)
        if self.kafka_oauth_scope is not None and self.kafka_sasl != "OAUTHBEARER":
            raise ValueError("EVENTSTREAMS_KAFKA_OAUTH_SCOPE is set, so EVENTSTREAMS_KAFKA_SASL must be OAUTHBEARER")
        if self.kafka_tls:
            self.tls_context()
        return self

    def tls_context(self) -> ssl.SSLContext:
        """The TLS context for clients other than librdkafka's.

        Raises:
            ValueError: a file does not contain what it should; the text says which.
        """
        try:
            context = client_tls(self.kafka_tls_authorities)
        except ssl.SSLError:
            raise ValueError(
                f"EVENTSTREAMS_KAFKA_TLS_AUTHORITIES: {self.kafka_tls_authorities} has no certificate; it must be "
                "a PEM file, beginning with -----BEGIN CERTIFICATE-----"
            ) from None
        if self.kafka_tls_certificate is not None:
            password = self.kafka_tls_key_password
            try:  # without a password OpenSSL would ask for it on the terminal
                context.load_cert_chain(
                    self.kafka_tls_certificate,
                    self.kafka_tls_key,
                    "" if password is None else password.get_secret_value(),
                )
            except ssl.SSLError:
                raise ValueError(
                    f"EVENTSTREAMS_KAFKA_TLS_CERTIFICATE and _KEY: {self.kafka_tls_certificate} and "
                    f"{self.kafka_tls_key} must be PEM files, a certificate and its key, and "
                    "EVENTSTREAMS_KAFKA_TLS_KEY_PASSWORD must open it"
                ) from None
        return context

    def _need(self, name: str, other: str, *, together: bool = False) -> None:
        pairs = [(name, other), (other, name)] if together else [(name, other)]
        for given, wanted in pairs:
            if getattr(self, given) is not None and getattr(self, wanted) is None:
                raise ValueError(f"{_variable(given)} is set, so {_variable(wanted)} must be set too")

    def _of_mechanism(self, chosen: bool, mechanisms: str, *names: str) -> None:  # noqa: FBT001 - read at the call
        for name in names:
            if chosen and getattr(self, name) is None:
                raise ValueError(f"EVENTSTREAMS_KAFKA_SASL is {self.kafka_sasl}, so {_variable(name)} must be set")
            if not chosen and getattr(self, name) is not None:
                raise ValueError(f"{_variable(name)} is set, so EVENTSTREAMS_KAFKA_SASL must be {mechanisms}")


def _variable(name: str) -> str:
    return f"EVENTSTREAMS_{name.upper()}"
