"""The ``SinkConfiguration`` of a Segment sink."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator

from sink_workers.plugins.endpoint import checked_endpoint

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
        Field(description="Region of the workspace: `us` (`api.segment.io`) or `eu` (`events.eu1.segmentapis.com`)."),
    ] = "us"
    endpoint: Annotated[
        str | None,
        Field(
            max_length=2048,
            description="Base URL of another server with Segment's API, such as RudderStack, instead of a region; "
            "`/v1/batch` is appended. It must be at a public address.",
        ),
        AfterValidator(partial(checked_endpoint, credentials="write_key")),
    ] = None
    user_id: Annotated[
        str | None,
        Field(
            pattern=r"^[^.]{1,100}(\.[^.]{1,100}){0,9}$",
            description="Data field that identifies the user an event is about, such as `customer.id`, instead of "
            "the field marked in the event's schema.",
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
            '`{"com.twilio.messaging.message.sent": "Message Sent"}`. Other events are named after '
            "their type.",
        ),
    ] = {}

    @field_validator("write_key")
    @classmethod
    def _can_be_sent(cls, write_key: SecretStr) -> SecretStr:
        text = write_key.get_secret_value()
        if not text or not text.isascii() or not text.isprintable() or " " in text or ":" in text:
            raise ValueError("it must be non-empty printable ASCII without spaces or colons")
        return write_key

    @property
    def url(self) -> str:
        """The URL that batches are sent to."""
        return _HOSTS[self.region] if self.endpoint is None else f"{self.endpoint.rstrip('/')}{_BATCH}"
