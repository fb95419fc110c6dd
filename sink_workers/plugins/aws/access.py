"""The keys of ``SinkConfiguration`` that hold credentials, and AWS's addresses. Does not import AWS's libraries."""

import re
from collections.abc import Sequence
from typing import Annotated, Final, Protocol

from pydantic import AfterValidator, Field, SecretStr

TIMEOUT_S: Final = 10.0  # for one exchange: 5 MB over a 10 Mbit/s line take half of that
HUNG_S: Final = 4 * TIMEOUT_S + 3  # above four exchanges: a role, a request, and both again with another key
REGION: Final = r"[a-z]{2}(?:-[a-z]+)+-\d{1,2}"
_ROLE: Final = re.compile(r"arn:(aws|aws-cn|aws-us-gov):iam::\d{12}:role/[\w+=,.@/-]{1,576}", re.ASCII)
_PARTITIONS: Final = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}  # by a region's prefix; all others are "aws"
_DOMAINS: Final = {"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com"}


def _is_a_role(role_arn: str | None) -> str | None:
    if role_arn is not None and _ROLE.fullmatch(role_arn) is None:
        raise ValueError("it must be the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME")
    return role_arn


RoleArn = Annotated[
    str | None,
    Field(description="ARN of the IAM role to assume for writing. Requires `external_id`."),
    AfterValidator(_is_a_role),
]
ExternalId = Annotated[
    str | None,
    Field(
        min_length=2,
        max_length=1224,
        pattern=r"^[A-Za-z0-9_+=,.@:/-]+$",
        description="The `sts:ExternalId` that the role's trust policy requires: long, random and known only to you.",
    ),
]
KEY_ID: Final = r"[A-Za-z0-9_]{16,128}"
AccessKeyId = Annotated[
    str | None,
    Field(
        pattern=rf"^{KEY_ID}$",
        description="Access key of an IAM user, in place of a role. Requires `secret_access_key`, and excludes "
        "`role_arn`.",
    ),
]
SecretAccessKey = Annotated[
    SecretStr | None, Field(min_length=1, max_length=256, description="The secret of `access_key_id`.")
]


Allowed = Sequence[tuple[Sequence[str], str]]
"""What the keys of an assumed role are restricted to: actions, and the ARN that they apply to."""


class Access(Protocol):
    """A configuration with these four keys."""

    @property
    def role_arn(self) -> str | None: ...
    @property
    def external_id(self) -> str | None: ...
    @property
    def access_key_id(self) -> str | None: ...
    @property
    def secret_access_key(self) -> SecretStr | None: ...


def check_access(access: Access, *, partition: str, key: str) -> None:
    """Raise ValueError, with a sentence for the user, unless ``access`` has exactly one kind of credentials.

    Args:
        access: The configuration.
        partition: The AWS partition that the sink writes to.
        key: The configuration's key that determines the partition.
    """
    if access.access_key_id is not None or access.secret_access_key is not None:
        if access.role_arn is not None or access.external_id is not None:
            raise ValueError("give either role_arn and external_id, or access_key_id and secret_access_key")
        if access.access_key_id is None or access.secret_access_key is None:
            raise ValueError("access_key_id and secret_access_key must be given together")
        return
    given = {"role_arn": access.role_arn, "external_id": access.external_id}
    if missing := [key for key, value in given.items() if value is None]:
        raise ValueError(
            f"{' and '.join(missing)} must be given; or, without a role, access_key_id and secret_access_key"
        )
    if access.role_arn is not None and access.role_arn.split(":")[1] != partition:
        raise ValueError(f"role_arn must be in the partition of {key}")


def partition_of(region: str) -> str:
    """The AWS partition of ``region``, which its ARNs contain after ``arn:``."""
    return next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")


def check_region(arn: str) -> None:
    """Raise ValueError, with a sentence for the user, unless the region of ``arn`` is in its partition."""
    _, partition, _, region, _ = arn.split(":", 4)
    if partition != (wanted := partition_of(region)):
        raise ValueError(f"the region {region} is in the partition {wanted}: the ARN must begin with arn:{wanted}:")


def url_of(service: str, region: str) -> str:
    """AWS's own URL of ``service`` in ``region``."""
    return f"https://{service}.{region}.{_DOMAINS[partition_of(region)]}/"
