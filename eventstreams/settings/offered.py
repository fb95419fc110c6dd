"""Parses the setting for the sink types that can be created."""

import re
from typing import Final

_NONE: Final = "none"
_SINK_TYPE: Final = re.compile(r"[a-z0-9-]{1,40}")


def offered_types(value: object) -> object:
    """The comma-separated names; empty for ``none``. None if there are no names: then all installed types count.

    A value that is not text is returned unchanged.

    Raises:
        ValueError: a name cannot be a sink type's, or ``none`` is not alone.
    """
    if not isinstance(value, str):
        return value
    names = [part.strip() for part in value.split(",") if part.strip()]
    if names == [_NONE]:
        return ()
    if _NONE in names:
        raise ValueError("`none` cannot be combined with others")
    if wrong := [each for each in names if not _SINK_TYPE.fullmatch(each)]:
        raise ValueError(
            f"{wrong[0]!r} is not a valid sink type: use a-z, 0-9 and -, up to 40 characters, such as webhook"
        )
    return tuple(names) or None
