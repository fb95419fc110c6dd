"""The ``SinkConfiguration`` of a Kinesis sink. Does not import AWS's libraries."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sink_workers.plugins.aws.access import (
    REGION,
    AccessKeyId,
    ExternalId,
    RoleArn,
    SecretAccessKey,
    check_access,
    check_region,
)

_STREAM: Final = re.compile(rf"arn:(?:aws|aws-cn|aws-us-gov):kinesis:{REGION}:\d{{12}}:stream/[a-zA-Z0-9_.-]{{1,128}}")

PartitionKey = Literal["event_id", "account_sid", "event_key"]


class KinesisConfig(BaseModel):
    """Which stream, and as whom it is written to. Each description stands in ``docs/sinks/kinesis.md``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    arn: Annotated[
        str,
        Field(
            description="ARN of the stream: `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME`. It also determines "
            "the region."
        ),
    ]
    role_arn: RoleArn = None
    external_id: ExternalId = None
    access_key_id: AccessKeyId = None
    secret_access_key: SecretAccessKey = None
    partition_key: Annotated[
        PartitionKey,
        Field(
            description="What distributes records across the shards. `event_id`: evenly. `event_key`: the event's "
            "`partitionkey` (a call, a message …), so that events of one resource are in one shard. "
            "`account_sid`: all events of an account are in one shard."
        ),
    ] = "event_id"

    @field_validator("arn")
    @classmethod
    def _is_a_stream(cls, arn: str) -> str:
        if _STREAM.fullmatch(arn) is None:
            raise ValueError("it must be the ARN of a stream: arn:aws:kinesis:REGION:ACCOUNT:stream/NAME")
        check_region(arn)
        return arn

    @model_validator(mode="after")
    def _says_who_writes(self) -> Self:
        check_access(self, partition=self.arn.split(":")[1], key="arn")
        return self

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]
