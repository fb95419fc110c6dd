"""Configuration of a Segment sink, as subscribers give it in ``SinkConfiguration``."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from yarl import URL

HIDDEN: Final = "********"
_HOSTS: Final = {"us": "https://api.segment.io/v1/batch", "eu": "https://events.eu1.segmentapis.com/v1/batch"}
_BATCH: Final = "/v1/batch"
_Name = Annotated[str, Field(min_length=1, max_length=200)]


class SegmentConfig(BaseModel):
    """Which source, and how events are mapped. Each description stands in ``docs/sinks/segment.md``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    write_key: Annotated[
        SecretStr,
        Field(max_length=256, description="The write key of the source in Segment."),
    ]
    region: Annotated[
        Literal["us", "eu"],
        Field(description="Where the workspace is: `us` (`api.segment.io`) or `eu` (`events.eu1.segmentapis.com`)."),
    ] = "us"
    endpoint: Annotated[
        str | None,
        Field(
            max_length=2048,
            description="Instead of a region: the start of the URL of another server that speaks "
            "Segment's API, such as RudderStack; `/v1/batch` is added. It must be at a public address.",
        ),
    ] = None
    user_id: Annotated[
        str | None,
        Field(
            pattern=r"^[^.]{1,100}(\.[^.]{1,100}){0,9}$",
            description="The field of the data that says whom an event is about, such as `customer.id`; instead of the "
            "one that the event's schema marks.",
        ),
    ] = None
    hash_user_id: Annotated[
        bool,
        Field(description="Send the SHA-256 of the user id, in hexadecimal, and no traits, instead of the id itself."),
    ] = False
    event_names: Annotated[
        Mapping[str, _Name],
        Field(
            max_length=200,
            description="Names of events in Segment, by event type: "
            '`{"com.twilio.messaging.message.sent": "Message Sent"}`. Others are called as their type.',
        ),
    ] = {}

    @field_validator("write_key")
    @classmethod
    def _can_be_sent(cls, write_key: SecretStr) -> SecretStr:
        text = write_key.get_secret_value()
        if not text or not text.isascii() or not text.isprintable() or " " in text or ":" in text:
            raise ValueError("it must be some printable ASCII without spaces and colons")
        return write_key

    @field_validator("endpoint")
    @classmethod
    def _is_a_url(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        try:
            url = URL(endpoint, encoded=True)
        except ValueError:
            raise ValueError("it is not a URL") from None
        if url.scheme not in {"http", "https"} or not url.raw_host or url.port is None or not endpoint.isascii():
            raise ValueError("it must be an http or https URL with a host")
        if not endpoint.isprintable() or " " in endpoint:
            raise ValueError("it must be percent-encoded ASCII without spaces")
        if url.raw_user is not None or url.raw_password is not None or url.raw_query_string or url.raw_fragment:
            raise ValueError("it must have no user, query or fragment: write_key says whose events these are")
        return endpoint

    @property
    def url(self) -> str:
        """Where batches go."""
        return _HOSTS[self.region] if self.endpoint is None else f"{self.endpoint.rstrip('/')}{_BATCH}"


def public(config: SegmentConfig) -> dict[str, object]:
    """The configuration as the API answers it: what was given, without the key."""
    given = {name: getattr(config, name) for name in SegmentConfig.model_fields if name in config.model_fields_set}
    return {**given, "write_key": HIDDEN}
