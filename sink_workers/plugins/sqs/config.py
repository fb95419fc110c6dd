"""The ``SinkConfiguration`` of an SQS sink. Does not import AWS's libraries."""

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
    url_of,
)

_QUEUE: Final = re.compile(
    rf"arn:(?:aws|aws-cn|aws-us-gov):sqs:{REGION}:\d{{12}}:([a-zA-Z0-9_-]{{1,80}}|[a-zA-Z0-9_-]{{1,75}}\.fifo)"
)

MessageGroup = Literal["event_key", "account_sid", "event_id"]


class SqsConfig(BaseModel):
    """Which queue, and as whom it is written to. Each description stands in ``docs/sinks/sqs.md``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    arn: Annotated[
        str,
        Field(
            description="ARN of the queue: `arn:aws:sqs:REGION:ACCOUNT:NAME`. It also determines the region. The "
            "name of a FIFO queue ends with `.fifo`."
        ),
    ]
    role_arn: RoleArn = None
    external_id: ExternalId = None
    access_key_id: AccessKeyId = None
    secret_access_key: SecretAccessKey = None
    message_group: Annotated[
        MessageGroup,
        Field(
            description="For a FIFO queue: which events are delivered to readers in order. `event_key`: those "
            "with the same `partitionkey` (a call, a message …); `account_sid`: all events of an "
            "account; `event_id`: none."
        ),
    ] = "event_key"

    @field_validator("arn")
    @classmethod
    def _is_a_queue(cls, arn: str) -> str:
        if _QUEUE.fullmatch(arn) is None:
            raise ValueError("it must be the ARN of a queue: arn:aws:sqs:REGION:ACCOUNT:NAME")
        check_region(arn)
        return arn

    @model_validator(mode="after")
    def _says_who_writes(self) -> Self:
        check_access(self, partition=self.arn.split(":")[1], key="arn")
        if "message_group" in self.model_fields_set and not self.is_fifo:
            raise ValueError("message_group is only for FIFO queues, whose names end with .fifo")
        return self

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def is_fifo(self) -> bool:
        return self.arn.endswith(".fifo")

    @property
    def queue_url(self) -> str:
        """The queue's name in AWS's protocol. Nothing connects to this URL."""
        account, name = self.arn.split(":")[4:]
        return f"{url_of('sqs', self.region)}{account}/{name}"
