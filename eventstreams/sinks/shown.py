"""A sink's configuration as its owner may see it."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import BaseModel, SecretStr
from pydantic_core import to_jsonable_python

HIDDEN: Final = "********"
"""Shown in place of a secret. Sent back in an update of a sink, it means that the secret stays as it is."""


def shown(config: BaseModel) -> Mapping[str, object]:
    """The values given in ``config``, as JSON, in the model's order, with ``HIDDEN`` for each ``SecretStr``."""
    given = config.model_dump(exclude_unset=True, exclude_none=True)
    masked: dict[str, object] = to_jsonable_python(_masked(given))
    return masked


def _masked(value: object) -> object:
    match value:
        case SecretStr():
            return HIDDEN
        case Mapping():
            return {key: _masked(each) for key, each in value.items()}
        case Sequence() | set() | frozenset() if not isinstance(value, str | bytes):
            return [_masked(each) for each in value]
        case _:
            return value
