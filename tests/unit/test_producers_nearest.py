"""Which name of the catalogue a misspelt one was meant to be, and how few are compared to find that."""

import random

import pytest

from eventstreams.catalog import Catalog
from producers.nearest import Nearest

SENT = "com.twilio.messaging.message.sent"


@pytest.fixture(scope="module")
def names() -> list[str]:
    return list(Catalog.load().types)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("com.twilio.messaging.message.snet", id="two letters exchanged"),
        pytest.param("com.twilio.messaging.mesage.sent", id="one letter less"),
        pytest.param("com.twilio.messaging.messages.sent", id="one letter more"),
        pytest.param("twilio.messaging.message.sent", id="its beginning is not there"),
        pytest.param("com.twilio.messaging.message.Sent", id="a capital"),
    ],
)
def test_a_slip_is_found(names: list[str], text: str) -> None:
    assert Nearest(names).to(text) == SENT


def test_a_slip_in_any_name_leads_to_one_that_differs_by_no_more(names: list[str]) -> None:
    nearest, slips = Nearest(names), random.Random(1)

    for name in names:
        at = slips.randrange(len(name))
        found = nearest.to(name[:at] + name[at + 1 :])
        assert found is not None
        assert abs(len(found) - len(name)) <= 2, (name, found)


@pytest.mark.parametrize("text", ["weather", "x" * 1024, "", "é", "com"])
def test_what_is_like_none_is_led_to_none(names: list[str], text: str) -> None:
    assert Nearest(names).to(text) is None


def test_only_a_few_are_compared_whatever_was_written(names: list[str]) -> None:
    anagram = "".join(random.Random(2).sample(SENT, len(SENT)))  # what all of them look like at first glance

    assert len(Nearest(names).alike(anagram)) <= 4
    assert Nearest(names).alike("x" * 1024) == ()
    assert Nearest([]).to("x") is None
