"""Every setting, read once from ``EVENTSTREAMS_*`` variables. ``docs/settings.md`` is generated from here."""

import difflib
import os
from collections.abc import Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import NoDecode, SettingsConfigDict

from eventstreams.durations import parse_duration
from eventstreams.errors import SettingsError
from eventstreams.settings.kafka import KafkaSettings
from eventstreams.settings.mail import MailSettings
from eventstreams.settings.offered import offered_types
from eventstreams.settings.urls import http_url, http_urls
from eventstreams.sids import SidKind, is_sid

PREFIX: Final = "EVENTSTREAMS_"
DSN_SCHEMES: Final = ("postgresql://", "postgres://")
_SHORTEST_TOKEN: Final = 8
_SHORTEST_OPERATOR_TOKEN: Final = 16


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else value


def _comma_separated(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _networks(value: object) -> object:
    return tuple(_network(each) for each in value) if isinstance(value, tuple) else value


def _network(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ip_network(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is not a network such as 10.1.0.0/16: {error}") from None


def _account_sid(value: str | None) -> str | None:
    if value is not None and not is_sid(value, SidKind.ACCOUNT):
        raise ValueError("an account SID is AC and 32 hexadecimal digits")
    return value


def _auth_token(value: SecretStr | None) -> SecretStr | None:
    if value is not None and len(value.get_secret_value()) < _SHORTEST_TOKEN:
        raise ValueError(f"it must have {_SHORTEST_TOKEN} characters or more")
    return value


def _operator_token(value: SecretStr | None) -> SecretStr | None:
    if value is not None and len(value.get_secret_value()) < _SHORTEST_OPERATOR_TOKEN:
        raise ValueError(
            f"it must have {_SHORTEST_OPERATOR_TOKEN} characters or more: `openssl rand -hex 32` generates one"
        )
    return value


def _file_or_dsn(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        text = value.get_secret_value().strip()
        if "://" in text and not text.startswith(DSN_SCHEMES):
            raise ValueError("it must be a file, postgresql://user:password@host/database, or off")
    return value


def _without_user(value: str | None) -> str | None:
    if value is not None and "@" in value:
        raise ValueError("put user and password in EVENTSTREAMS_SCHEMA_REGISTRY_AUTH, which is never shown")
    return value


def _user_and_password(value: SecretStr | None) -> SecretStr | None:
    if value is not None and ":" not in value.get_secret_value():
        raise ValueError("it must be user:password")
    return value


def _drain(value: timedelta) -> timedelta:
    # A thread may drain for half of this time, and /livez reports a thread as stuck after three minutes.
    if value > timedelta(minutes=5):
        raise ValueError("it must be at most 5m")
    return value


def _session(value: timedelta | None) -> timedelta | None:
    # Brokers accept no less than 6 s by default; and a killed process's events wait for this long.
    if value is not None and not timedelta(seconds=6) <= value <= timedelta(minutes=1):
        raise ValueError("it must be from 6s to 1m")
    return value


def _orphan_grace(value: timedelta) -> timedelta:
    # A topic exists before its subscription does, for as long as creating that can take: a minute with every wait.
    if value < timedelta(minutes=5):
        raise ValueError("it must be at least 5m")
    return value


def _ascending(delays: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
    if not delays or list(delays) != sorted(set(delays)):
        raise ValueError("the delays must increase, and there must be at least one")
    return delays


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(gt=timedelta())]
CommaSeparated = BeforeValidator(_comma_separated)
HttpUrl = Annotated[str | None, AfterValidator(http_url)]


class Settings(MailSettings, KafkaSettings):
    """What an operator can set; the defaults are right for one installation on a Kafka of three brokers."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", validate_default=True, hide_input_in_errors=True
    )

    topic_prefix: str = Field(
        "es.",
        pattern=r"^[a-zA-Z0-9._-]{0,80}$",
        description="Prefix of all topic and consumer group names; lets several installations share a Kafka cluster.",
    )
    replication_factor: int = Field(3, ge=1, le=32, description="Replication factor for new topics.")
    events_partitions: int = Field(
        12, ge=1, le=1000, description="Partitions of the topic to which events are published."
    )
    attempts_partitions: int = Field(4, ge=1, le=1000, description="Partitions of the topic of delivery attempts.")
    retry_partitions: int = Field(
        12,
        ge=1,
        le=100,
        description="Partitions of each retry topic; with more of them, an event is moved less often before its retry.",
    )
    most_subscription_partitions: int = Field(
        16,
        ge=1,
        le=256,
        description="Most partitions that a subscription's topic may be given; an account can have 100 subscriptions.",
    )
    most_partitions: int = Field(
        5000,
        ge=1,
        le=1_000_000,
        description="Most partitions of all subscriptions' topics together, across all accounts: set it to what "
        "your Kafka can carry. It also limits the space for filters, so the router and the API must "
        "have the same value. See docs/partition-budget.md.",
    )
    orphan_grace: Annotated[Duration, AfterValidator(_orphan_grace)] = Field(
        timedelta(minutes=15),
        description="How long a topic must have been without a subscription before the API removes it, if it is "
        "empty; at least 5m.",
    )
    remove_orphans: bool = Field(True, description="`false`: such topics are reported but not removed.")
    instance: str | None = Field(
        None,
        pattern=r"^[a-zA-Z0-9._-]{1,80}$",
        description="Name of this copy of a role, unique and stable across restarts, such as the name of a "
        "StatefulSet's pod: with it, the copy keeps its partitions while it restarts (static "
        "membership). See docs/rolling-restarts.md.",
    )
    session_timeout: Annotated[Duration | None, AfterValidator(_session)] = Field(
        None,
        description="Kafka's session timeout: how long a router or worker may go without a heartbeat before "
        "others get its partitions; from 6s to 1m. Default: 8s for routers, 10s for workers.",
    )
    exactly_once: bool = Field(
        False,
        description="`true`: routers copy events in Kafka transactions, so that one that is killed makes no copy "
        "twice. Delivery is still at least once. See docs/delivery-guarantees.md.",
    )
    kafka_wait: Duration = Field(
        timedelta(seconds=15), description="How long a process waits for a broker to answer when it starts."
    )

    ttl: Duration = Field(
        timedelta(hours=4),
        description="How long an event is retried after it was accepted; after that it becomes a dead letter. To "
        "raise it later, see docs/kafka.md: existing topics must keep events for at least as long.",
    )
    retry_delays: Annotated[tuple[Duration, ...], NoDecode, CommaSeparated, AfterValidator(_ascending)] = Field(
        tuple(timedelta(seconds=s) for s in (5, 30, 120, 600, 1800)),
        description="Longest delay after the first, second, … attempt; the last one repeats. Each delay is "
        "random, up to that length. Router, API and workers must have the same value: retry topics "
        "are named after it.",
    )
    drain_timeout: Annotated[Duration, AfterValidator(_drain)] = Field(
        timedelta(seconds=20),
        description="How long a process that is told to stop may take to finish what it has in flight; at most 5m.",
    )
    sink_concurrency: int = Field(
        512,
        ge=1,
        le=1024,
        description="Most concurrent requests of a worker to one sink: it uses up to 64 as long as the sink "
        "accepts them, and more only while they do not slow it down. See "
        "docs/slow-and-failing-sinks.md.",
    )
    allowed_destinations: Annotated[
        tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks), CommaSeparated
    ] = Field(
        (),
        description="Private networks that sinks may reach nevertheless, such as `127.0.0.0/8,10.1.0.0/16`.",
    )

    account_sid: Annotated[str | None, AfterValidator(_account_sid)] = Field(
        None, description="SID of the first account, which the API creates when it starts if it does not exist."
    )
    auth_token: Annotated[SecretStr | None, AfterValidator(_auth_token)] = Field(
        None, description="Its auth token, of 8 characters or more."
    )
    profile: str | None = Field(
        None,
        description="Profile (see `eventstreams profiles`) that commands use; the same as `eventstreams --profile`.",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Key for secrets at rest, from `eventstreams new-key`; to rotate: `new,old`.",
    )

    operator_token: Annotated[SecretStr | None, AfterValidator(_operator_token)] = Field(
        None,
        description="Token for the operator's API, which creates and closes accounts; 16 characters or more. "
        "Default: that API is off.",
    )
    api_rate_limit: float = Field(
        100.0,
        ge=0,
        le=1_000_000,
        description="Requests per second that an account may make to one copy of the API, with bursts of up to "
        "twice as many; an owner and its subaccounts together may make four times as many. 0: no "
        "limit.",
    )
    trusted_proxies: Annotated[
        tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks), CommaSeparated
    ] = Field(
        (),
        description="Networks of load balancers whose `X-Forwarded-For` is trusted, such as `10.0.0.0/8`.",
    )
    audit_retention: Duration = Field(
        timedelta(days=365), description="How long the audit trail is kept; only used when its topic is created."
    )
    audit_max_mib: int = Field(
        10_240,
        ge=64,
        le=1 << 20,
        description="Maximum size of the audit trail, in MiB; the oldest entries are removed first. 10 GiB hold "
        "about ten million writes. Only used when its topic is created.",
    )

    api_listen: str = Field("0.0.0.0:8080", description="Address and port of the API: `host:port`.")
    api_advertised_url: HttpUrl = Field(
        None,
        pattern=r"^https?://",
        description="URL at which the API's other replicas reach this one; default: its address as seen by Kafka.",
    )
    api_url: HttpUrl = Field(
        None,
        pattern=r"^https?://[^@]+$",  # callers bring their own credentials
        description="URL of the API, such as `http://api:8080`, to which the gateway forwards `GET /v1/Events`, "
        "so that one address can serve both. Default: such requests are answered with 405.",
    )
    gateway_listen: str = Field("0.0.0.0:8081", description="Address and port of the HTTP gateway.")
    gateway_url: HttpUrl = Field(
        None,
        pattern=r"^https?://",
        description="URL of the HTTP gateway, such as `http://gateway:8081`, to which the console publishes "
        "sample events with the credentials of the signed-in account. Default: none, and the console "
        "publishes no samples.",
    )
    admin_listen: str = Field(
        "0.0.0.0:9100", description="Address and port at which each role serves /livez, /readyz and /metrics."
    )
    traces: HttpUrl = Field(
        None,
        pattern=r"^https?://\S+$",
        description="OTLP/HTTP endpoint to which traces are exported, such as `http://collector:4318/v1/traces`; "
        "default: no traces. Needs `eventstreams[otel]`.",
    )
    traces_ratio: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of events that are traced where the publisher has not decided (`traceparent`).",
    )
    public_url: HttpUrl = Field(
        None, description="The API's own URL in its responses; default: the URL that the request was sent to."
    )
    ready_urls: Annotated[tuple[str, ...], NoDecode, CommaSeparated, AfterValidator(http_urls)] = Field(
        (), description="URLs that must also answer 200 before the API's /readyz does."
    )

    sink_validation: Literal["always_valid", "strict"] = Field(
        "always_valid",
        description="`strict`: a sink becomes active, and can be used by subscriptions, only after the id of a "
        "test event has been sent back.",
    )
    sink_types: Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(offered_types)] = Field(
        None,
        description="Sink types that can be created, such as `webhook,kinesis`: list those that have a worker, "
        "since events for others would never be delivered; `none`: no sinks. Default: all that are "
        "installed.",
    )
    one_subscription_per_sink: bool = Field(False, description="Refuse a second subscription to the same sink.")

    catalog_dirs: Annotated[tuple[Path, ...], NoDecode, CommaSeparated] = Field(
        (), description="Folders with event types of your own, in the form of `avro/`."
    )
    schema_base_url: Annotated[str, AfterValidator(http_url)] = Field(
        "https://events-schemas.twilio.com",
        pattern=r"^https?://",
        description="Base URL of `dataschema` in events; default: Twilio's. The API serves the schemas under "
        "`/schemas`.",
    )

    schema_registry_url: Annotated[HttpUrl, AfterValidator(_without_user)] = Field(
        None,
        pattern=r"^https?://[^/]",
        description="A Confluent-compatible schema registry in which the API registers the catalogue's schemas.",
    )
    schema_registry_auth: Annotated[SecretStr | None, AfterValidator(_user_and_password)] = Field(
        None, description="Credentials for the schema registry: `user:password`."
    )

    delivery_log: Annotated[SecretStr | None, AfterValidator(_file_or_dsn)] = Field(
        None,
        description="The API's delivery log: a file, `postgresql://user:password@host/database`, or `off`. "
        "Default: a file in `eventstreams` in the user's state folder.",
    )
    delivery_log_retention: Duration = Field(
        timedelta(days=7), description="How far back the delivery log reaches; its topics are kept for 7 days."
    )
    delivery_log_max_mib: int = Field(
        2048,
        ge=8,
        le=1 << 20,
        description="Maximum size of the delivery log, in MiB; the oldest entries are removed first.",
    )

    metrics_subscriptions: int = Field(
        20,
        ge=0,
        le=1000,
        description="How many subscriptions, those with the largest backlogs, get metrics of their own; 0: none.",
    )

    cache_dir: Path | None = Field(
        None,
        description="Folder in which `eventstreams up` keeps Kafka's jars; default: `eventstreams` in the "
        "user's cache folder.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")
    log_format: Literal["json", "console"] = Field("json", description="Format of log lines.")

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Load the settings of this process; ``overrides`` take precedence over the environment.

        Raises:
            SettingsError: a value is invalid, or a variable with our prefix is not a setting. The text has the
                variable, the value (unless it is secret) and what would be right.
        """
        cls._refuse_unknown(os.environ)
        try:
            return cls(**overrides)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            if not first["loc"]:  # settings that conflict; the message names them
                raise SettingsError(_plain(first["msg"])) from None
            name = str(first["loc"][0])
            variable = None if name in overrides else os.environ.get(f"{PREFIX}{name.upper()}")
            given = str(first["input"]) if variable is None else variable
            shown = "" if name in SECRETS else f" is {given!r}"
            raise SettingsError(f"{PREFIX}{name.upper()}{shown}: {_plain(first['msg'])}") from None

    @classmethod
    def _refuse_unknown(cls, environ: Mapping[str, str]) -> None:
        known = {f"{PREFIX}{name.upper()}" for name in cls.model_fields}
        for name in environ:
            if name.startswith(PREFIX) and name not in known | _NOT_SETTINGS:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else "docs/settings.md lists them all"
                raise SettingsError(f"{name} is not a setting of Event Streams: {hint}")


_NOT_SETTINGS: Final = frozenset({f"{PREFIX}TEST_KAFKA", f"{PREFIX}TEST_POSTGRESQL"})  # the tests' own
SECRETS: Final = frozenset(
    {
        "auth_token",
        "delivery_log",
        "kafka_oauth_client_secret",
        "kafka_password",
        "kafka_tls_key_password",
        "operator_token",
        "schema_registry_auth",
        "schema_registry_url",
        "secret_key",
        "smtp_password",
    }
)


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")
