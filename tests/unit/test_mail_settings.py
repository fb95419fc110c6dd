"""The operator's mail server: what its settings may be, and what comes of them."""

import pytest
from pydantic import SecretStr, ValidationError

from eventstreams.errors import SettingsError
from eventstreams.process import Process
from eventstreams.settings import SECRETS, Settings
from eventstreams.sinks import MailSecurity, MailServer
from eventstreams.sinks.registry import load_plugin
from eventstreams.telemetry.logging import get_logger
from eventstreams.telemetry.metrics import Metrics
from sink_workers.role import worker_for

PASSWORD = SecretStr("the-password")
FROM = "Events <events@example.com>"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"smtp_url": "mail.example.com:25", "smtp_from": FROM}, "it must be smtp://"),
        ({"smtp_url": "smtp://mail.example.com:x", "smtp_from": FROM}, "it must be smtp://"),
        ({"smtp_url": "smtp://:587", "smtp_from": FROM}, "it must be smtp://"),
        ({"smtp_url": "smtp://mail.example.com/?tls=no", "smtp_from": FROM}, "it must end with the port"),
        ({"smtp_url": "smtp://us:hidden@mail.example.com", "smtp_from": FROM}, "EVENTSTREAMS_SMTP_PASSWORD"),
        ({"smtp_url": "smtp+plain://us@mail.example.com", "smtp_from": FROM}, "a user needs TLS"),
        ({"smtp_url": "smtp://us@mail.example.com", "smtp_from": FROM}, "must be set together"),
        ({"smtp_url": "smtp://mail.example.com", "smtp_from": FROM, "smtp_password": PASSWORD}, "must be set together"),
        ({"smtp_url": "smtp://mail.example.com"}, "EVENTSTREAMS_SMTP_FROM must be too"),
        ({"smtp_from": FROM}, "EVENTSTREAMS_SMTP_URL must be too"),
        ({"smtp_url": "smtp://mail.example.com", "smtp_from": "events"}, "it must be one address"),
        ({"smtp_url": "smtp://mail.example.com", "smtp_from": "a@b.example, c@d.example"}, "it must be one address"),
        ({"smtp_url": "smtp://mail.example.com", "smtp_from": "a@b.example\r\nBcc: c@d.example"}, "it must be one"),
    ],
)
def test_what_cannot_be_a_mail_server_is_refused_with_a_sentence(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate(given)

    assert words in str(raised.value)
    assert PASSWORD.get_secret_value() not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.com", (MailSecurity.STARTTLS, 587)),
        ("smtps://mail.example.com", (MailSecurity.TLS, 465)),
        ("smtp+plain://mail.example.com", (MailSecurity.NONE, 25)),
        ("smtp://mail.example.com:2525", (MailSecurity.STARTTLS, 2525)),
    ],
)
def test_the_scheme_says_how_mail_is_kept_from_others(url: str, expected: tuple[MailSecurity, int]) -> None:
    server = Settings(smtp_url=url, smtp_from=FROM).mail_server

    assert server is not None
    assert (server.security, server.port) == expected
    assert (server.host, server.sender, server.sender_name) == ("mail.example.com", "events@example.com", "Events")


def test_a_user_has_his_password_and_it_is_never_shown() -> None:
    given = Settings(smtp_url="smtps://us%40example.com@mail.example.com", smtp_from=FROM, smtp_password=PASSWORD)

    assert isinstance(given.mail_server, MailServer)
    assert (given.mail_server.username, given.mail_server.password) == ("us@example.com", "the-password")
    assert "the-password" not in repr(given.mail_server)
    assert "smtp_password" in SECRETS


async def test_a_worker_of_mail_without_a_server_ends_with_a_sentence() -> None:
    process = Process(Settings(), get_logger("test"), Metrics())

    with pytest.raises(SettingsError, match="EVENTSTREAMS_SMTP_URL is not set"):
        await worker_for(load_plugin("email"))(process)
