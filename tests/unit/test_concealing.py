"""What a sink's plugin says when it fails is logged without the secrets of that sink, in either form of the log."""

import subprocess
import sys

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr

from eventstreams.sinks import Capabilities, DestinationGuard, MailServer, Sink, SinkContext, SinkPlugin
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.sinks.mail import MailSecurity
from eventstreams.sinks.registry import load_plugin
from eventstreams.sinks.secret_texts import secrets_of, texts_of

PASSWORD = 'päss"wörd\\ 1&2'
KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----"
TOKEN = "token-of-the-account"
PROGRAM = f"""
import asyncio, json, sys
from urllib.parse import quote
from eventstreams.time_limits import Watch
from eventstreams.settings import Settings
from eventstreams.sinks import OutboundEvent
from eventstreams.telemetry.logging import configure_logging, get_logger
from sink_workers.delivery.attempt import attempt

PASSWORD, KEY, TOKEN = {PASSWORD!r}, {KEY!r}, {TOKEN!r}

class Leaking:
    async def deliver(self, batch):
        try:
            raise KeyError(PASSWORD)
        except KeyError as error:
            error.add_note(KEY)
            said = f"user:{{quote(PASSWORD)}}@host {{PASSWORD}} {{json.dumps({{'p': PASSWORD}})}} {{TOKEN}} {{(KEY,)}}"
            raise ConnectionError(said) from error

configure_logging(Settings.load(log_format=sys.argv[1]), role="worker")
async def fail():
    await attempt(Leaking(), [], timeout_s=9, watch=Watch(), secrets=lambda: [PASSWORD, KEY, TOKEN, "no"])

asyncio.run(fail())
get_logger("ours").warning("next.said", text="no secret of now: " + TOKEN)
"""


@pytest.mark.parametrize("form", ["console", "json"])
def test_no_secret_of_its_sink_is_logged_of_a_plugin_that_raised(form: str) -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM, form], capture_output=True, text=True, check=True)

    at = ran.stderr.rindex("\n", 0, ran.stderr.index("next.said"))
    first, then = ran.stderr[:at], ran.stderr[at:]
    assert "plugin.raised" in first
    assert "ConnectionError: user:[hidden]@host [hidden] " in first
    assert "KeyError" in first
    for secret in (TOKEN, "rd\\", "1&2", "MIIEvQIBADANBgkq", "hkiG9w0BAQEFAASC", "w%C3%B6rd"):
        assert secret not in first
    assert TOKEN in then  # of nobody's sink: what is logged after it is as it was


class Config(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    place: str
    key: SecretStr
    more: dict[str, SecretStr] = {}
    hidden: str = "known-to-nobody"


def plugin(config: type[BaseModel] = Config) -> AnySinkPlugin:
    async def opened(_: BaseModel, __: SinkContext) -> Sink:
        raise NotImplementedError

    return SinkPlugin(
        sink_type="shelf",
        config=config,
        capabilities=lambda _: Capabilities(timeout_s=1),
        public=lambda each: {"place": getattr(each, "place", ""), "key": "********"},
        open=opened,
    )


def context(mail: MailServer | None = None) -> SinkContext:
    return SinkContext(
        sink_sid="DG1",
        account_sid="AC1",
        signing_tokens=(TOKEN,),
        guard=DestinationGuard(),
        user_agent="eventstreams/test",
        mail=mail,
    )


def test_secret_is_what_is_declared_so_or_not_shown_and_what_was_lent() -> None:
    config = Config(place="shelf seven", key=SecretStr("the-key"), more={"x": SecretStr("another")})
    mail = MailServer(host="h", port=25, security=MailSecurity.TLS, sender="s", password="of-the-mail")

    found = set(secrets_of(plugin(), config, context(mail)))

    assert found == {"the-key", "another", "known-to-nobody", TOKEN, "of-the-mail"}


@pytest.mark.parametrize(
    ("destination", "secret"),
    [
        ("https://user:p%40ssword@hooks.example.com/in", {"user", "p%40ssword", "p@ssword"}),
        ("https://hooks.example.com/in?token=abc-def&a=%20x", {"token=abc-def&a=%20x", "abc-def", " x"}),
    ],
    ids=["user", "query"],
)
def test_of_a_url_secret_is_who_asks_and_what_is_asked(destination: str, secret: set[str]) -> None:
    webhook = load_plugin("webhook")
    config = webhook.config.model_validate({"destination": destination})

    found = set(secrets_of(webhook, config, context()))

    assert found >= secret
    assert "hooks.example.com" not in found


def test_of_a_configuration_that_is_not_valid_every_text_is_secret() -> None:
    assert set(texts_of('{"place": 7, "key": ["the-key"], "user": {"name": "n"}}')) == {"the-key", "n"}
    assert texts_of("no JSON") == ["no JSON"]
    assert texts_of("[" * 1000 + '"deep inside"' + "]" * 1000) == ["deep inside"]
