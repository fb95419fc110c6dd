"""The demo's sum: it is right only where every accepted event ended once, and no other."""

from collections.abc import Callable
from io import StringIO

import pytest
from rich.console import Console

from examples.demo.show import summary, table
from examples.demo.tally import Tally


def good() -> Tally:
    """Three delivered, one a dead letter."""
    accepted = dict.fromkeys(("EZ1", "EZ2", "EZ3", "EZ4"), 1_000)
    return Tally(
        accepted=accepted,
        delivered={"EZ1": 1_005, "EZ2": 1_010, "EZ3": 1_900},
        dead={"EZ4": "refused"},
        deliveries=3,
        counted=4,
        retries=1,
    )


def said(tally: Tally) -> str:
    console = Console(file=StringIO(), width=100)
    summary(console, tally)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_sum_that_is_right_says_so() -> None:
    assert good().problems() == []
    assert "4 accepted = 3 delivered + 1 dead-lettered" in said(good())
    assert "It adds up" in said(good())


def _lose(tally: Tally) -> None:
    del tally.delivered["EZ1"]


def _invent(tally: Tally) -> None:
    tally.delivered["EZ9"] = 1_005


def _end_twice(tally: Tally) -> None:
    tally.dead["EZ1"] = "refused"


def _forge(tally: Tally) -> None:
    tally.bad_signatures = 1


def _do_nothing(tally: Tally) -> None:
    for ended in (tally.accepted, tally.delivered, tally.dead):
        ended.clear()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(_lose, "1 accepted events are neither delivered nor dead letters", id="lost"),
        pytest.param(_invent, "1 events were delivered that were never accepted", id="invented"),
        pytest.param(_end_twice, "1 events were delivered and are dead letters as well", id="ended twice"),
        pytest.param(_forge, "1 requests had a signature that the validator refused", id="bad signature"),
        pytest.param(_do_nothing, "no event was accepted", id="nothing"),
    ],
)
def test_a_sum_that_is_wrong_says_why(spoil: Callable[[Tally], None], words: str) -> None:
    tally = good()
    spoil(tally)

    assert len(tally.problems()) == 1
    assert f"does not add up: {words}" in said(tally)
    assert "It adds up" not in said(tally)


def test_the_table_has_every_figure_from_the_start_on() -> None:
    console = Console(file=StringIO(), width=100)

    console.print(table(Tally(), doing="starting"), table(good(), doing="done"))

    assert isinstance(console.file, StringIO)
    shown = console.file.getvalue()
    assert "refused: 1" in shown
    assert "900 ms" in shown


def test_latency_is_of_delivered_events_alone() -> None:
    assert Tally().latency_ms(0.5) is None
    assert [good().latency_ms(share) for share in (0.0, 0.5, 0.99)] == [5, 10, 900]


def test_an_event_that_was_delivered_counts_as_routed_although_the_router_was_not_asked_since() -> None:
    tally = good()
    tally.counted = 1

    assert tally.routed == 3
