"""The ``SinkConfiguration`` of a Kafka sink."""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from sink_workers.plugins.hosts import host_and_port
from sink_workers.plugins.tls import Authorities, ClientCertificate, ClientKey, check_pair

_MAX_SERVERS: Final = 10  # any one of a cluster is enough

Format = Literal["binary", "structured"]
Key = Literal["event_key", "event_id", "account_sid", "subject"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class KafkaConfig(BaseModel):
    """Which topic, and how it is written to. Each description stands in ``docs/sinks/kafka.md``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bootstrap_servers: Annotated[
        str,
        Field(
            max_length=2048,
            description="One to ten brokers of the cluster: `host:port`, separated by commas. They, and all "
            "brokers that they advertise, must be at public addresses.",
        ),
    ]
    topic: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,248}$", description="Topic to write to, which must exist.")
    ]
    format: Annotated[
        Format,
        Field(
            description="How an event becomes a record, according to the CloudEvents Kafka binding. `binary`: "
            "attributes in headers `ce_…`, data as JSON in the value. `structured`: the whole event "
            "as JSON in the value."
        ),
    ] = "binary"
    key: Annotated[
        Key,
        Field(
            description="The record's key, which determines its partition. `event_key`: the event's "
            "`partitionkey` (a call, a message …), so that events of one resource stay in order. "
            "`subject`: its subject. Both fall back to the event's id if the event has none. "
            "`account_sid`: all events of an account are in one partition. `event_id`: evenly "
            "distributed."
        ),
    ] = "event_key"
    tls: Annotated[bool, Field(description="Whether to connect with TLS.")] = True
    ca_certificate: Authorities = None
    client_certificate: ClientCertificate = None
    client_key: ClientKey = None
    sasl_mechanism: Annotated[Mechanism, Field(description="SASL mechanism for `username` and `password`.")] = "PLAIN"
    username: Annotated[
        str | None, Field(min_length=1, max_length=256, description="User name for SASL. Requires `password`.")
    ] = None
    password: Annotated[SecretStr | None, Field(min_length=1, max_length=1024, description="Password for SASL.")] = None

    @field_validator("bootstrap_servers")
    @classmethod
    def _are_servers(cls, text: str) -> str:
        servers = [server.strip() for server in text.split(",")]
        if len(servers) > _MAX_SERVERS:
            raise ValueError(f"at most {_MAX_SERVERS} servers: any broker of a cluster is enough")
        for server in servers:
            host_and_port(server)
        return ",".join(servers)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password must be given together")
        if not self.tls and self.username is not None and self.sasl_mechanism == "PLAIN":
            raise ValueError(
                "without TLS the password could be read on the way: set tls, or use another sasl_mechanism"
            )
        if not self.tls and (self.ca_certificate is not None or self.client_certificate is not None):
            raise ValueError("certificates require TLS: set tls, or omit the certificates")
        check_pair(self.client_certificate, self.client_key)
        return self

    @property
    def servers(self) -> list[tuple[str, int]]:
        """Host and port of each bootstrap server."""
        return [host_and_port(server) for server in self.bootstrap_servers.split(",")]
