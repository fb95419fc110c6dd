"""Configuration of a Kinesis sink, as subscribers give it in ``SinkConfiguration``. Knows nothing of AWS' libraries."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

HIDDEN: Final = "********"
_STREAM: Final = re.compile(
    r"arn:(aws|aws-cn|aws-us-gov):kinesis:([a-z]{2}(?:-[a-z]+)+-\d{1,2}):\d{12}:stream/[a-zA-Z0-9_.-]{1,128}"
)
_ROLE: Final = re.compile(r"arn:(aws|aws-cn|aws-us-gov):iam::\d{12}:role/[\w+=,.@/-]{1,576}", re.ASCII)
_PARTITIONS: Final = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}  # by the start of a region; all others are "aws"
_DOMAINS: Final = {"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com"}

PartitionKey = Literal["event_id", "account_sid", "event_key"]


class KinesisConfig(BaseModel):
    """Which stream, and as whom it is written to. Each description stands in ``docs/sinks/kinesis.md``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    arn: Annotated[
        str,
        Field(description="ARN of the stream: `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME`. It names the region, too."),
    ]
    role_arn: Annotated[
        str | None,
        Field(description="ARN of the IAM role that is assumed to write. It goes together with `external_id`."),
    ] = None
    external_id: Annotated[
        str | None,
        Field(
            min_length=2,
            max_length=1224,
            pattern=r"^[A-Za-z0-9_+=,.@:/-]+$",
            description="What the role's trust policy asks for as `sts:ExternalId`: long, random and yours alone.",
        ),
    ] = None
    access_key_id: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9_]{16,128}$",
            description="Access key of an IAM user, for those without a role. It goes together with "
            "`secret_access_key`, and without `role_arn`.",
        ),
    ] = None
    secret_access_key: Annotated[
        SecretStr | None, Field(min_length=1, max_length=256, description="The secret of `access_key_id`.")
    ] = None
    partition_key: Annotated[
        PartitionKey,
        Field(
            description="What spreads the records over the shards. `event_id`: evenly. `event_key`: the event's "
            "`partitionkey` (a call, a message …), so that events of one resource are in one shard. `account_sid`: "
            "everything of an account in one shard."
        ),
    ] = "event_id"

    @field_validator("arn")
    @classmethod
    def _is_a_stream(cls, arn: str) -> str:
        found = _STREAM.fullmatch(arn)
        if found is None:
            raise ValueError("it must be the ARN of a stream: arn:aws:kinesis:REGION:ACCOUNT:stream/NAME")
        wanted = next((name for start, name in _PARTITIONS.items() if found[2].startswith(start)), "aws")
        if found[1] != wanted:
            raise ValueError(f"the region {found[2]} is in the partition {wanted}: the ARN begins with arn:{wanted}:")
        return arn

    @field_validator("role_arn")
    @classmethod
    def _is_a_role(cls, role_arn: str | None) -> str | None:
        if role_arn is not None and _ROLE.fullmatch(role_arn) is None:
            raise ValueError("it must be the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME")
        return role_arn

    @model_validator(mode="after")
    def _says_who_writes(self) -> Self:
        if self.access_key_id is not None or self.secret_access_key is not None:
            if self.role_arn is not None or self.external_id is not None:
                raise ValueError("give either role_arn and external_id, or access_key_id and secret_access_key")
            if self.access_key_id is None or self.secret_access_key is None:
                raise ValueError("access_key_id and secret_access_key go together: give both")
        elif missing := [key for key in ("role_arn", "external_id") if getattr(self, key) is None]:
            raise ValueError(
                f"{' and '.join(missing)} must be given; without a role, access_key_id and secret_access_key"
            )
        elif self.role_arn is not None and self.role_arn.split(":")[1] != self.arn.split(":")[1]:
            raise ValueError("role_arn must be in the partition of arn")
        return self

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    def url(self, service: str) -> str:
        """Where AWS itself has ``service`` in the region of the stream."""
        return f"https://{service}.{self.region}.{_DOMAINS[self.arn.split(':')[1]]}/"


def public(config: KinesisConfig) -> dict[str, object]:
    """The configuration as the API answers it: what was given, without the secret."""
    shown: dict[str, object] = {key: getattr(config, key) for key in config.model_fields_set}
    if config.secret_access_key is not None:
        shown["secret_access_key"] = HIDDEN
    return {key: shown[key] for key in KinesisConfig.model_fields if shown.get(key) is not None}
