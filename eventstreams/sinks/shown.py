"""A configuration as its owner may see it."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import BaseModel, SecretStr
from pydantic_core import to_jsonable_python

HIDDEN: Final = "********"
"""Stands for a secret. Given back in a change of a sink, it says that the secret stays as it is."""


def shown(config: BaseModel) -> Mapping[str, object]:
    """What was given of ``config``, as JSON has it, in the model's order; ``HIDDEN`` for each ``SecretStr`` in it."""
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
