"""What goes to Faust as one message: all that a fetch brought, as long as that is little."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest

from router import transport
from router.transport import _in_messages


@dataclass(frozen=True)
class SizedRun:
    size: int


@pytest.mark.parametrize(
    ("sizes", "messages"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([1, 2, 3], [[1, 2, 3]], id="little: together"),
        pytest.param([100, 100], [[100], [100]], id="much: each by itself"),
        pytest.param([60, 40, 1, 250, 5], [[60, 40], [1], [250], [5]], id="in their order, up to the bound"),
    ],
)
def test_runs_share_a_message_up_to_its_bound(
    sizes: Sequence[int], messages: Sequence[Sequence[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_MESSAGE_BYTES", 100)

    found = _in_messages(cast(Any, [SizedRun(size) for size in sizes]))

    assert [[run.size for run in together] for together in found] == messages
