"""What is kept of an answer: readable, bounded, and nothing of what we sent in confidence."""

import base64
import json
from urllib.parse import quote

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.sinks import Rejected, RetryLater
from eventstreams.testing.receiver import Received, Receiver
from sink_workers.plugins.webhook.answer import MASK, Masker, excerpt
from tests.support.webhooks import TOKEN, deliver

SECRET = 'pa$$ "wörd"/+<&>'


def repeat(received: Received) -> web.Response:
    """An error page of the kind that shows the request."""
    lines = "\n".join(f"{name}: {value}" for name, value in received.headers.items())
    return web.Response(status=500, text=f"Cannot handle {received.url}\n{lines}\n")


async def test_an_answer_that_repeats_our_headers_is_kept_without_their_secrets() -> None:
    async with Receiver(repeat) as receiver:
        (outcome,) = await deliver(
            receiver.url,
            headers={"X-Api-Key": "hunter2-hunter2", "Authorization": "Token hunter3-hunter3"},
            standard_webhooks={"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"},
        )

    (received,) = receiver.received
    assert isinstance(outcome, RetryLater)
    assert outcome.detail == "HTTP 500"
    assert f"X-Api-Key: {MASK}" in outcome.answer
    assert "application/json" in outcome.answer
    for name in ("X-Api-Key", "Authorization", "X-Twilio-Signature", "webhook-signature"):
        assert received.headers[name] not in outcome.answer
    assert TOKEN not in outcome.answer


async def test_basic_credentials_are_masked_in_both_forms() -> None:
    pair = base64.b64encode(b"root-user:hunter2").decode()
    page = lambda received: web.Response(status=401, text=f"{received.headers['Authorization']} = root-user:hunter2")  # noqa: E731

    async with Receiver(page) as receiver:
        (outcome,) = await deliver(receiver.url.replace("http://", "http://root-user:hunter2@"))

    assert isinstance(outcome, Rejected)
    assert receiver.received[0].headers["Authorization"] == f"Basic {pair}"
    assert outcome.answer == f"Basic {MASK} = {MASK}:{MASK}"


@pytest.mark.parametrize(
    "spelled", [SECRET, quote(SECRET, safe=""), json.dumps(SECRET)[1:-1], json.dumps(SECRET, ensure_ascii=False)[1:-1]]
)
def test_a_secret_is_masked_as_servers_spell_it(spelled: str) -> None:
    assert excerpt(f"no: {spelled}!".encode(), [SECRET]) == f"no: {MASK}!"


@given(st.text(min_size=4), st.text(), st.integers(0, 50))
def test_no_end_of_the_text_leaves_the_start_of_a_secret(secret: str, before: str, cut: int) -> None:
    masked = Masker([secret])((before + secret)[: max(len(before), len(before + secret) - cut)])

    assert MASK in secret or secret not in masked


def test_a_secret_that_is_cut_off_is_masked() -> None:
    assert excerpt(b"key=hunter2-hun", ["hunter2-hunter2"]) == f"key={MASK}"


def test_a_few_characters_are_no_secret() -> None:
    assert excerpt(b"a bad answer", ["a", "", "ba"]) == "a bad answer"


@given(st.binary(max_size=5000))
def test_whatever_comes_is_kept_as_at_most_a_kibibyte_of_printable_text(body: bytes) -> None:
    text = excerpt(body, ["secret"])

    assert len(text.encode()) <= 1024
    assert text.isprintable()


def test_masks_do_not_draw_in_what_was_beyond_the_bound() -> None:
    body = b"x" * 1020 + b"hunter2-hunter2"

    assert excerpt(body, ["hunter2-hunter2"]) == "x" * 1020 + MASK[:4]


def test_of_an_answer_that_repeats_a_long_secret_only_its_start_is_looked_through() -> None:
    secret = "long-" + "s" * 995

    assert excerpt((secret * 16).encode(), [secret]) == MASK * 5  # the fifth is cut off, and masked as well


def test_a_secret_whose_character_is_cut_in_two_does_not_show_its_beginning() -> None:
    secret = "é" * 20
    body = b"x" + (secret * 200).encode()  # of two bytes each, so the look at the start ends within one

    assert "é" not in excerpt(body[: 4096 + 9], [secret])
