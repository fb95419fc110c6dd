"""What a judge is given at the end: whatever is settled while it is gathered is in it, or is said to be unknown."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Final, cast

from eventstreams.errors import TopicError
from eventstreams.verify.dead_letters import DeadLetters
from eventstreams.verify.environment import RunEnvironment
from eventstreams.verify.judge import Fault, Verdict, judge, meant_for
from eventstreams.verify.ledger import Ledger, State, Tally
from eventstreams.verify.plan import Kind
from eventstreams.verify.publishing import Published
from eventstreams.verify.receiving import FINDINGS
from eventstreams.verify.run import _evidence
from tests.support.verifying import PLAN, numbers

SID: Final = "DF" + "0" * 32
LAST: Final = numbers(Kind.ORDINARY)[-1]


class LateDeadLetter:
    """The dead letter of ``LAST``, which is written while the backlog is looked at."""

    def __init__(self, *, can_be_read: bool = True) -> None:
        self._can_be_read = can_be_read
        self._is_written = False

    async def look_at_the_backlog(self) -> Mapping[str, int]:
        self._is_written = True
        return {}

    async def look_at_dead_letters(self, dead_letters: DeadLetters) -> None:
        if not self._can_be_read:
            raise TopicError("es.dead.webhook could not be read to its end within 10 s")
        if self._is_written:
            dead_letters.add(SID, PLAN.id_of(LAST), "refused")


async def verdict(folder: Path, dead_letter: LateDeadLetter) -> Verdict:
    """On a receiver that took all but ``LAST``, which it refused."""
    (folder / FINDINGS).touch()
    ledger, tally = Ledger(folder, PLAN, new=True), Tally(folder, 0, PLAN, new=True)
    for batch in PLAN.batches():
        state = State.REFUSED if batch.kind is Kind.INVALID else State.ACKNOWLEDGED
        ledger.set_states(batch.numbers, state)
    for number in range(PLAN.event_count):
        if number in meant_for(PLAN, 0):
            tally.arrived(number)
            if number == LAST:
                tally.refused(number)
            else:
                tally.accepted(number, 0.1)
    environment = SimpleNamespace(
        plan=PLAN,
        folder=folder,
        ledger=ledger,
        tallies=[tally],
        subscribed=[SimpleNamespace(subscription_sid=SID)],
        dead_letters=DeadLetters(PLAN, [SID]),
        dead_letter_source=SimpleNamespace(look=dead_letter.look_at_dead_letters),
        backlog=SimpleNamespace(look=dead_letter.look_at_the_backlog),
        options=SimpleNamespace(receivers=["refusing"]),
        ttl_s=14_400,
    )
    return judge(await _evidence(cast(RunEnvironment, environment), Published(), (), 60), most_duplicates=0)


async def test_what_is_settled_just_then_is_not_lost(tmp_path: Path) -> None:
    assert (await verdict(tmp_path, LateDeadLetter())).problems == []


async def test_where_dead_letters_cannot_be_read_nothing_is_said_to_be_lost(tmp_path: Path) -> None:
    [problem] = (await verdict(tmp_path, LateDeadLetter(can_be_read=False))).problems

    assert (problem.fault, problem.count) == (Fault.UNFINISHED, 1)
