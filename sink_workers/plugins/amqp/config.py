"""The ``SinkConfiguration`` of an AMQP sink. Does not import the AMQP library."""

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from sink_workers.plugins.hosts import check_host
from sink_workers.plugins.tls import Authorities

_SHORT: Final = 255  # bytes of names in the protocol
_TLS_PORT, _PLAIN_PORT = 5671, 5672


class AmqpConfig(BaseModel):
    """Which exchange, and how it is written to. Each description stands in ``docs/sinks/amqp.md``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9_.:-]{1,253}$",
            description="Host name or address of the broker. It must be public.",
        ),
    ]
    port: Annotated[
        int | None, Field(ge=1, le=65535, description="Port of the broker. Default: 5671 with TLS, 5672 without.")
    ] = None
    tls: Annotated[bool, Field(description="Whether to connect with TLS.")] = True
    ca_certificate: Authorities = None
    username: Annotated[str, Field(min_length=1, max_length=256, description="User name for the broker.")]
    password: Annotated[SecretStr, Field(min_length=1, max_length=1024, description="The password of `username`.")]
    virtual_host: Annotated[str, Field(min_length=1, max_length=_SHORT, description="Virtual host of the broker.")] = (
        "/"
    )
    exchange: Annotated[
        str,
        Field(
            max_length=_SHORT,
            description="Exchange to publish to, which must exist. Without it, `routing_key` is the name of a queue.",
        ),
    ] = ""
    routing_key: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=_SHORT,
            description="Routing key of every message. By default it is the event's type, such as "
            "`com.twilio.messaging.message.sent`, which suits a topic exchange.",
        ),
    ] = None
    mandatory: Annotated[
        bool,
        Field(
            description="Whether a message must reach a queue: one that cannot be routed to any queue is retried. "
            "With `false` the broker drops it, and it counts as delivered."
        ),
    ] = True

    @field_validator("host")
    @classmethod
    def _is_a_host(cls, host: str) -> str:
        check_host(host)
        return host

    @field_validator("virtual_host", "exchange", "routing_key")
    @classmethod
    def _fits(cls, name: str | None) -> str | None:
        if name is not None and len(name.encode()) > _SHORT:
            raise ValueError(f"it must have at most {_SHORT} bytes of UTF-8")
        return name

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if not self.exchange and self.routing_key is None:
            raise ValueError("give an exchange, or the name of a queue as routing_key")
        if not self.tls and self.ca_certificate is not None:
            raise ValueError("ca_certificate requires TLS: set tls, or omit the certificate")
        return self

    @property
    def where(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or (_TLS_PORT if self.tls else _PLAIN_PORT)
