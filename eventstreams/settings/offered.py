"""How the sink types that can be created are named in a setting."""

import re
from typing import Final

_NONE: Final = "none"
_SINK_TYPE: Final = re.compile(r"[a-z0-9-]{1,40}")


def offered_types(value: object) -> object:
    """The names between commas; empty for ``none``. None where nothing is named: it is left to what is installed.

    What is no text is left as it is.

    Raises:
        ValueError: one cannot be a sink type's name, or ``none`` has others beside it.
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
