"""The page about webhook sinks: complete, and its code does what it says."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from eventstreams.testing.receiver import Received, Receiver
from sink_workers.plugins.webhook.config import WebhookConfig
from sink_workers.plugins.webhook.oauth import OAuthConfig
from sink_workers.plugins.webhook.rotation import new_secret
from sink_workers.plugins.webhook.standard_webhooks import StandardWebhooksConfig, read_secret
from tests.support.webhooks import TOKEN, event, opened

PAGE: Final = (Path(__file__).parents[2] / "docs/sinks/webhook.md").read_text()


def checker(number: int) -> Callable[..., bool]:
    """The function ``is_signed`` of a code block of the page."""
    names: dict[str, Callable[..., bool]] = {}
    exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[number], names)
    return names["is_signed"]


async def received_with(**signing: str) -> Received:
    async with Receiver() as receiver, opened(receiver.url, standard_webhooks=signing or None) as sink:
        await sink.deliver([event()])
    return receiver.received[0]


def test_every_key_is_explained_with_its_default() -> None:
    for key, field in WebhookConfig.model_fields.items():
        (row,) = re.findall(rf"^\| `{key}` \| (.*?) \|", PAGE, re.MULTILINE)
        default = f"`{str(field.default).lower()}`" if field.default and not field.is_required() else "\N{EN DASH}"
        assert row == ("`false`" if field.default is False else default), key
    for model in (OAuthConfig, StandardWebhooksConfig):
        assert all(f"`{key}`" in PAGE or f'"{key}"' in PAGE for key in model.model_fields)


async def test_the_code_for_the_reference_s_signature_works() -> None:
    received = await received_with()

    assert checker(0)(TOKEN, received.url, received.body, received.headers)
    assert not checker(0)("another", received.url, received.body, received.headers)


async def test_the_code_for_standard_webhooks_works() -> None:
    secret = new_secret("v1")
    received = await received_with(secret=secret)

    assert checker(1)(secret, received.body, received.headers)
    assert not checker(1)(new_secret("v1"), received.body, received.headers)


async def test_the_code_for_ed25519_works() -> None:
    secret = new_secret("v1a")
    received = await received_with(scheme="v1a", secret=secret)

    old: Mapping[str, str] = {**received.headers, "webhook-timestamp": "1614265330"}
    assert checker(2)(read_secret(secret).public, received.body, received.headers)
    assert not checker(2)(read_secret(new_secret("v1a")).public, received.body, received.headers)
    assert not checker(2)(read_secret(secret).public, received.body + b" ", received.headers)
    assert not checker(2)(read_secret(secret).public, received.body, old)
