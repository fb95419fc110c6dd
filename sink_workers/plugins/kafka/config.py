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
            description="One to ten brokers of the cluster: `host:port`, with commas between them. They, and all "
            "brokers that they name, must be at public addresses.",
        ),
    ]
    topic: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,248}$", description="Where to. The topic must be there.")
    ]
    format: Annotated[
        Format,
        Field(
            description="How an event is a record, by the CloudEvents Kafka binding. `binary`: attributes in headers "
            "`ce_…`, data as JSON in the value. `structured`: the whole event as JSON in the value."
        ),
    ] = "binary"
    key: Annotated[
        Key,
        Field(
            description="The record's key, and so its partition. `event_key`: the event's `partitionkey` (a call, a "
            "message …), so that events of one resource stay in order. `subject`: its subject. Either is the event's "
            "id where the event has none. `account_sid`: everything of an account in one partition. `event_id`: evenly."
        ),
    ] = "event_key"
    tls: Annotated[bool, Field(description="Whether the brokers speak TLS.")] = True
    ca_certificate: Authorities = None
    client_certificate: ClientCertificate = None
    client_key: ClientKey = None
    sasl_mechanism: Annotated[Mechanism, Field(description="How `username` and `password` are shown.")] = "PLAIN"
    username: Annotated[
        str | None, Field(min_length=1, max_length=256, description="For SASL. It goes together with `password`.")
    ] = None
    password: Annotated[SecretStr | None, Field(min_length=1, max_length=1024, description="For SASL.")] = None

    @field_validator("bootstrap_servers")
    @classmethod
    def _are_servers(cls, text: str) -> str:
        servers = [server.strip() for server in text.split(",")]
        if len(servers) > _MAX_SERVERS:
            raise ValueError(f"at most {_MAX_SERVERS} servers: any one of a cluster is enough")
        for server in servers:
            host_and_port(server)
        return ",".join(servers)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together: give both, or neither")
        if not self.tls and self.username is not None and self.sasl_mechanism == "PLAIN":
            raise ValueError("without TLS everybody could read the password: give tls, or another sasl_mechanism")
        if not self.tls and (self.ca_certificate is not None or self.client_certificate is not None):
            raise ValueError("certificates are for TLS: give tls, or no certificates")
        check_pair(self.client_certificate, self.client_key)
        return self

    @property
    def servers(self) -> list[tuple[str, int]]:
        """Host and port of each bootstrap server."""
        return [host_and_port(server) for server in self.bootstrap_servers.split(",")]
