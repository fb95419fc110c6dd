"""The ``SinkConfiguration`` of an S3 sink. Does not import AWS's libraries."""

import re
from functools import partial
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from sink_workers.plugins.aws.access import (
    KEY_ID,
    REGION,
    Allowed,
    ExternalId,
    RoleArn,
    SecretAccessKey,
    check_access,
    partition_of,
)
from sink_workers.plugins.endpoint import checked_endpoint

MAX_EVENTS: Final = 4000  # a lane holds 4,096 records
MAX_BYTES: Final = 4 << 20  # bounds a sink's memory: four uploads under way hold this much each

Format = Literal["avro", "jsonl"]


class S3Config(BaseModel):
    """Which bucket, as whom it is written to, and what the objects are. See ``docs/sinks/s3.md``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bucket: Annotated[
        str,
        Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="Name of the bucket, which must exist."),
    ]
    region: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9-]{1,64}$",
            description="Region of the bucket. With an `endpoint`, it is the region to sign with, which that "
            "server may define itself, such as `fr-par`, `us-west-004` or `garage`.",
        ),
    ] = "us-east-1"
    endpoint: Annotated[
        str | None,
        Field(
            max_length=2048,
            description="Base URL of an S3-compatible server to use instead of AWS, such as "
            "`https://minio.example.com`. It must be at a public address, and requires an access key.",
        ),
        AfterValidator(partial(checked_endpoint, credentials="access_key_id")),
    ] = None
    prefix: Annotated[
        str,
        Field(
            max_length=200,
            pattern=r"^([A-Za-z0-9!_.*'()=-]+/)*[A-Za-z0-9!_.*'()=-]*$",
            description="Prefix of object names, such as `acme/events`. A `/` follows it.",
        ),
    ] = ""
    role_arn: RoleArn = None
    external_id: ExternalId = None
    access_key_id: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9_.@+-]{3,128}$",
            description="Access key of an IAM user, in place of a role, or of a user of the server at `endpoint`. "
            "Requires `secret_access_key`, and excludes `role_arn`.",
        ),
    ] = None
    secret_access_key: SecretAccessKey = None
    format: Annotated[
        Format,
        Field(
            description="`avro`: Avro container files with the event's own schema, deflated. `jsonl`: one "
            "CloudEvents JSON object per line, gzipped."
        ),
    ] = "avro"
    max_events: Annotated[
        int, Field(ge=1, le=MAX_EVENTS, description="Number of events at which an object is closed.")
    ] = MAX_EVENTS
    max_bytes: Annotated[
        int,
        Field(
            ge=64 << 10,
            le=MAX_BYTES,
            description="Size of the events, in bytes, at which an object is closed: as Avro, or as JSON with `jsonl`.",
        ),
    ] = MAX_BYTES
    max_age_s: Annotated[
        int,
        Field(ge=1, le=300, description="How many seconds after the arrival of its first event an object is closed."),
    ] = 60
    lock_mode: Annotated[
        Literal["governance", "compliance"] | None,
        Field(description="Lock each object so that it cannot be deleted, for `retain_days`; see below."),
    ] = None
    retain_days: Annotated[
        int | None, Field(ge=1, le=36_500, description="How many days objects are locked, with `lock_mode`.")
    ] = None

    @field_validator("prefix")
    @classmethod
    def _names_a_folder(cls, prefix: str) -> str:
        if any(part in {".", ".."} for part in prefix.split("/")):
            raise ValueError("none of its parts may be . or ..")
        return prefix

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.endpoint is None and not re.fullmatch(REGION, self.region, re.ASCII):
            raise ValueError("without an endpoint, region must be an AWS region such as eu-central-1")
        if self.endpoint is None and self.access_key_id is not None and not re.fullmatch(KEY_ID, self.access_key_id):
            raise ValueError(
                "without an endpoint, access_key_id must be an AWS access key: 16 to 128 letters and digits"
            )
        check_access(self, partition=partition_of(self.region), key="region")
        if self.role_arn is not None and self.endpoint is not None:
            raise ValueError("roles only exist in AWS: with an endpoint, give access_key_id and secret_access_key")
        if (self.lock_mode is None) != (self.retain_days is None):
            raise ValueError("lock_mode and retain_days must be given together")
        return self

    @property
    def folder(self) -> str:
        """The prefix of each object's name: empty, or ending with a slash."""
        return f"{self.prefix.rstrip('/')}/" if self.prefix else ""

    @property
    def allowed(self) -> Allowed:
        """What the role's keys need: to write below ``folder``, and to look the bucket up."""
        bucket = f"arn:{partition_of(self.region)}:s3:::{self.bucket}"
        return (
            (("s3:PutObject", "s3:PutObjectRetention"), f"{bucket}/{self.folder}*"),
            (("s3:ListBucket",), bucket),
            (("kms:GenerateDataKey", "kms:Decrypt"), "*"),
        )
