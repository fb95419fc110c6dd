"""What is committed last counts last, although the client sends again, on its own and later, what Kafka refused."""

import asyncio
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from typing_extensions import override

from eventstreams.kafka.commits import Commit
from eventstreams.kafka.committed import committed_offsets
from eventstreams.kafka.consumer import GroupConsumer
from eventstreams.topics import TopicSpec
from tests.kafka.test_consumer import Owner
from tests.support.installation import Installation
from tests.support.kafka_gate import OFFSET_COMMIT, Gate, gated
from tests.support.topic import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

EARLIER: Final = 50
LATER: Final = 59


class LateRefusal(Gate):
    """Has the coordinator refuse the first commit, as one that is loading.

    The client hears of it only after the answer to the next one.
    """

    watches = OFFSET_COMMIT
    _LOADING: Final = 14  # Kafka's code of a coordinator that is not there yet
    _ERROR: Final = slice(-5, -3)  # of one partition, in an answer of version 8 or 9 with no other one

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._kept: list[bytes] = []
        self.answers: list[tuple[bytes, bool]] = []  # requests, and whether they were taken

    @override
    async def answered(self, request: bytes, answer: bytes) -> Sequence[bytes]:
        is_first = not self.answers
        self.answers.append((request, not is_first))
        if is_first:
            changed = bytearray(answer)
            changed[self._ERROR] = struct.pack(">h", self._LOADING)
            self._kept.append(bytes(changed))
            return []
        kept, self._kept = self._kept, []
        return [answer, *kept]

    def offsets(self) -> list[tuple[int, bool]]:
        """What was to be committed, ``EARLIER`` or ``LATER``, and whether it was."""
        return [
            (next(each for each in (EARLIER, LATER) if struct.pack(">q", each) in request), taken)
            for request, taken in self.answers
        ]


async def test_a_commit_that_is_sent_again_does_not_take_back_a_later_one(tmp_path: Path) -> None:
    async with gated(tmp_path, LateRefusal) as (gate, through, beside), Installation(beside) as installation:
        at, owner, crashes = f"{beside.topic_prefix}one", Owner(), list[BaseException]()
        owner.settles_at_the_end = False
        await installation.admin.ensure([TopicSpec(at, 1, {})])
        async with GroupConsumer(through, group="late", owner=owner, on_crash=crashes.append) as member:
            member.subscribe([at])
            await eventually(lambda: bool(owner.assigned), timeout_s=60)
            [partition] = owner.assigned

            owner.settled[partition] = Commit(EARLIER)
            await eventually(lambda: bool(gate.answers), timeout_s=60)
            owner.settled[partition] = Commit(LATER)

            await eventually(lambda: (EARLIER, True) in gate.offsets(), timeout_s=60)
            assert gate.offsets()[:2] == [(EARLIER, False), (LATER, True)]
            async with asyncio.timeout(60):
                while await committed_offsets(beside, "late", [partition]) != {partition: LATER}:
                    await asyncio.sleep(0.1)
        assert crashes == []
