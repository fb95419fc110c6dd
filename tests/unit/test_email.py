"""The email plugin's pure parts, and what the sink does with a server's answers, which a real one gives."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import orjson
import pytest
from pydantic import ValidationError

from eventstreams.control.sink_tests import TEST_EVENT
from eventstreams.sinks import (
    DeadReason,
    Delivered,
    DestinationGuard,
    MailSecurity,
    MailServer,
    OutboundEvent,
    Rejected,
    RetryLater,
    RetryReason,
    SinkContext,
)
from sink_workers.gates.pace import Signal, signal_of
from sink_workers.plugins.email import PLUGIN, request
from sink_workers.plugins.email.config import EmailConfig
from sink_workers.plugins.email.judge import Step, judge
from sink_workers.plugins.email.request import Writer
from sink_workers.plugins.email.sink import EmailSink, open_sink
from tests.support.mail import OK, PASSWORD, SENDER, TO, Keys, Mailbox, events_in, mail_server
from tests.support.webhooks import event

NOW = datetime(2026, 3, 29, 4, 1, 2, tzinfo=UTC)
SERVER = MailServer(host="mail.test", port=587, security=MailSecurity.STARTTLS, sender=SENDER, sender_name="Events")
SINK, ACCOUNT = "DG" + "1" * 32, "AC" + "2" * 32


def written(*events: OutboundEvent, **config: object) -> EmailMessage:
    writer = Writer(EmailConfig.model_validate({"to": TO, **config}), SERVER, SINK, ACCOUNT)
    mail = message_from_bytes(writer.mail(events, now=NOW), policy=default)
    assert isinstance(mail, EmailMessage)
    return mail


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def test_event_of(test_id: str) -> OutboundEvent:
    found = event(1)
    found.type, found.id, found.data = TEST_EVENT, ACCOUNT, {"test_id": test_id}
    return found


test_event_of.__test__ = False  # type: ignore[attr-defined]  # it makes the event of a test


@pytest.mark.parametrize(
    "to",
    [
        "",
        "oncall",
        "oncall@localhost",
        "a@b.example, c@d.example",
        "Us <oncall@example.com>",
        "oncall@example.com\r\nBcc: other@example.com",
        "oncall@example.com\n",
        '"on call"@example.com',
        "oncall@[10.0.0.1]",
        "on..call@example.com",
        ".oncall@example.com",
        "oncall@-example.com",
        "oncall@exämple.com",
        f"{'x' * 65}@example.com",
        f"x@{'x' * 250}.com",
        "oncall@example.com> SIZE=1",
    ],
)
def test_what_is_not_one_plain_address_is_refused(to: str) -> None:
    with pytest.raises(ValidationError, match="to\n"):
        EmailConfig.model_validate({"to": to})


@pytest.mark.parametrize("to", ["a@b.co", "o'neil+events@mail.example.com", "x_y-z.w@xn--exmple-cua.com"])
def test_addresses_that_people_have_are_taken(to: str) -> None:
    assert PLUGIN.public(EmailConfig.model_validate({"to": to})) == {"to": to}


@pytest.mark.parametrize(
    "given", [{"subject": "Events\r\nBcc: other@example.com"}, {"subject": " "}, {"every_s": 0}, {"max_events": 1001}]
)
def test_a_configuration_that_cannot_be_used_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EmailConfig.model_validate({"to": TO, **given})


def test_a_mail_has_a_summary_to_read_and_each_event_in_a_file() -> None:
    events = [event(number) for number in range(60)]

    mail = written(*events, subject="Überblick")

    assert (mail["From"], mail["To"], mail["Subject"]) == (f"Events <{SENDER}>", TO, "Überblick: 60 events")
    assert (mail["Auto-Submitted"], mail["Date"]) == ("auto-generated", "Sun, 29 Mar 2026 04:01:02 +0000")
    assert list(events_in(mail)) == [orjson.loads(each.json()) for each in events]
    text = text_of(mail)
    assert f"     60  {events[0].type}" in text
    assert (events[49].id in text, events[50].id in text) == (True, False)


def test_the_lines_of_a_mail_are_as_long_as_every_server_takes_them_and_in_ascii() -> None:
    data = Writer(EmailConfig(to=TO), SERVER, SINK, ACCOUNT).mail([event(1, body="ä" * 5000)], now=NOW)

    assert data.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert b"\n" not in data.replace(b"\r\n", b"")


def test_an_event_writes_neither_a_header_nor_a_line_of_its_own() -> None:
    bad = event(1)
    bad.id = bad.type = bad.time = "x\r\nBcc: other@example.com\r\n.\r\nMAIL FROM:<a@b.example>"

    mail = written(bad)

    assert mail["Bcc"] is None
    assert not [line for line in text_of(mail).splitlines() if line.startswith(("Bcc", ".", "MAIL"))]
    assert events_in(mail)[0]["id"] == bad.id


def test_the_same_events_to_the_same_address_have_the_same_message_id() -> None:
    first, again, others = written(event(1), event(2)), written(event(1), event(2)), written(event(1), event(3))
    elsewhere = written(event(1), event(2), to="other@example.com")

    assert first["Message-ID"] == again["Message-ID"]
    assert len({mail["Message-ID"] for mail in (first, others, elsewhere)}) == 3
    assert first["Message-ID"].endswith("@example.com>")


def test_the_test_mail_asks_with_the_id_and_without_what_a_subscriber_chose() -> None:
    assert request.TEST_EVENT == TEST_EVENT

    mail, another = (written(test_event_of(each), subject="You have won") for each in ("3f-1", "3f-2"))

    assert "\n    3f-1\n" in text_of(mail)
    assert "You have won" not in mail.as_string()
    assert f"POST /v1/Sinks/{SINK}/Validate" in text_of(mail)
    assert mail["Message-ID"] != another["Message-ID"]


@pytest.mark.parametrize(
    ("step", "code", "words", "expected"),
    [
        (Step.GREETING, 554, "no service", RetryReason.SINK_UNUSABLE),
        (Step.GREETING, 421, "too busy", RetryReason.SERVER_ERROR),
        (Step.GREETING, -1, "HTTP/1.1", RetryReason.BAD_ANSWER),
        (Step.LOGIN, 535, "5.7.8 bad credentials", RetryReason.SINK_UNUSABLE),
        (Step.SENDER, 550, "5.7.1 not yours", RetryReason.SINK_UNUSABLE),
        (Step.RECIPIENT, 450, "4.2.0 greylisted", RetryReason.SERVER_ERROR),
        (Step.RECIPIENT, 530, "log in first", RetryReason.SINK_UNUSABLE),
        (Step.RECIPIENT, 554, "5.7.1 Relay access denied", RetryReason.SINK_UNUSABLE),
        (Step.RECIPIENT, 552, "full", RetryReason.SERVER_ERROR),
        (Step.RECIPIENT, 550, "5.2.2 over quota", RetryReason.SERVER_ERROR),
        (Step.RECIPIENT, 550, "5.1.1 no such user", DeadReason.REFUSED),
        (Step.RECIPIENT, 551, "user not local", DeadReason.REFUSED),
        (Step.CONTENT, 451, "try again", RetryReason.SERVER_ERROR),
        (Step.CONTENT, 552, "too much", DeadReason.TOO_LARGE),
        (Step.CONTENT, 554, "5.3.4 too big", DeadReason.TOO_LARGE),
        (Step.CONTENT, 554, "5.6.0 spam", DeadReason.REFUSED),
    ],
)
def test_what_the_server_says_is_judged_by_what_it_speaks_of(
    step: Step, code: int, words: str, expected: RetryReason | DeadReason
) -> None:
    outcome = judge(step, code, words)

    assert not isinstance(outcome, Delivered)
    assert (outcome.reason, outcome.answer) == (expected, words)
    assert isinstance(outcome, RetryLater) is isinstance(expected, RetryReason)
    # A 4xx of mail is no 4xx of HTTP, which says that the sink works.
    assert signal_of([outcome]) is (Signal.TOOK if isinstance(outcome, Rejected) else Signal.FAILED)


def test_the_worker_is_told_to_send_one_mail_at_a_time_with_a_pause_after_each() -> None:
    capabilities = PLUGIN.capabilities(EmailConfig(to=TO, every_s=60, max_events=10))

    assert (capabilities.max_batch_events, capabilities.linger_s) == (10, 60.0)
    assert (capabilities.max_in_flight, capabilities.pause_s, capabilities.tried_together) == (1, 10.0, True)


# -- towards a server ---------------------------------------------------------------------------------------------


async def opened(server: MailServer, *, timeout_s: float = 60.0) -> EmailSink:
    context = SinkContext(
        sink_sid=SINK,
        account_sid=ACCOUNT,
        signing_tokens=(),
        guard=DestinationGuard(),  # it has no say about the operator's own server
        user_agent="eventstreams/test",
        mail=server,
    )
    return await open_sink(EmailConfig(to=TO), context, timeout_s=timeout_s)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"to_sender": "451 later"}, RetryReason.SERVER_ERROR),
        ({"to_sender": "553 not as this sender"}, RetryReason.SINK_UNUSABLE),
        ({"to_recipient": "450 4.2.0 greylisted"}, RetryReason.SERVER_ERROR),
        ({"to_recipient": "550 5.1.1 no such user"}, DeadReason.REFUSED),
        ({"to_mail": "451 4.3.0 disk full"}, RetryReason.SERVER_ERROR),
        ({"to_mail": "421 going down"}, RetryReason.SERVER_ERROR),
    ],
    ids=str,
)
async def test_nothing_counts_as_delivered_before_the_server_has_said_so(
    answers: dict[str, str], expected: RetryReason | DeadReason
) -> None:
    async with mail_server() as mailbox:
        for name, answer in answers.items():
            setattr(mailbox, name, answer)
        outcomes = await (await opened(mailbox.server())).deliver([event(1), event(2)])

    assert not mailbox.mails
    for outcome in outcomes:
        assert not isinstance(outcome, Delivered)
        assert outcome.reason is expected


async def test_a_digest_arrives_as_one_mail_to_one_address() -> None:
    async with mail_server() as mailbox:
        assert (
            await (await opened(mailbox.server())).deliver([event(number) for number in range(10)])
            == [Delivered()] * 10
        )

    assert (len(mailbox.mails), mailbox.recipients) == (1, [[TO]])
    assert [each["id"] for each in mailbox.events()] == [event(number).id for number in range(10)]


async def test_of_a_thousand_events_the_one_that_no_server_takes_is_found_in_few_mails() -> None:
    events = [event(number) for number in range(1000)]
    async with mail_server() as mailbox:
        mailbox.refused = {events[700].id}
        outcomes = await (await opened(mailbox.server(), timeout_s=60.0)).deliver(events)

    settled = [number for number, outcome in enumerate(outcomes) if not isinstance(outcome, RetryLater)]
    assert isinstance(outcomes[700], Rejected)
    assert len(settled) == 1000
    assert (mailbox.tried <= 21, len(mailbox.mails) <= 10) == (True, True)
    assert sorted(each["id"] for each in mailbox.events()) == sorted(
        each.id for number, each in enumerate(events) if number != 700
    )


async def test_where_every_event_is_refused_a_delivery_ends_and_settles_some() -> None:
    events = [event(number) for number in range(1000)]
    async with mail_server() as mailbox:
        mailbox.refused = {each.id for each in events}
        outcomes = await (await opened(mailbox.server(), timeout_s=60.0)).deliver(events)

    assert (mailbox.tried, mailbox.mails) == (21, [])
    assert any(isinstance(outcome, Rejected) for outcome in outcomes)
    assert not any(isinstance(outcome, Delivered) for outcome in outcomes)


async def test_a_mail_above_the_size_that_the_server_names_is_not_sent_but_in_parts() -> None:
    async with mail_server(most_bytes=20_000) as mailbox:
        events = [event(number, body="x" * 3000) for number in range(10)] + [event(99, body="x" * 30_000)]
        outcomes = await (await opened(mailbox.server())).deliver(events)

    assert outcomes[:10] == [Delivered()] * 10
    assert isinstance(outcomes[10], Rejected)
    assert outcomes[10].reason is DeadReason.TOO_LARGE
    assert mailbox.tried == len(mailbox.mails)


async def test_a_probe_asks_about_the_address_and_sends_nothing() -> None:
    async with mail_server() as mailbox:
        sink = await opened(mailbox.server())
        assert await sink.probe() == Delivered()
        mailbox.to_recipient = "550 no such user"
        assert isinstance(await sink.probe(), Rejected)

    assert mailbox.tried == 0


async def test_a_wrong_password_is_the_operators_to_mend_and_is_not_shown(tmp_path: Path) -> None:
    keys = Keys.new(tmp_path)
    async with mail_server(keys) as mailbox:
        mailbox.password = "another"
        [outcome] = await (await opened(mailbox.server(keys.authorities))).deliver([event(1)])

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.SINK_UNUSABLE
    assert PASSWORD not in repr(outcome)
    assert PASSWORD not in repr(mailbox.server(keys.authorities))


async def test_a_server_that_somebody_else_vouches_for_gets_neither_password_nor_mail(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").mkdir()
    theirs, ours = Keys.new(tmp_path / "theirs"), Keys.new(tmp_path / "ours")
    async with mail_server(theirs) as mailbox:
        [outcome] = await (await opened(mailbox.server(ours.authorities))).deliver([event(1)])

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.CONNECT_FAILED
    assert "certificate is not trusted" in outcome.detail
    assert mailbox.tried == 0


async def test_a_server_without_starttls_gets_neither_password_nor_mail(tmp_path: Path) -> None:
    keys = Keys.new(tmp_path)
    async with mail_server() as mailbox:
        plain: Mailbox = mailbox
        [outcome] = await (await opened(plain.server(keys.authorities))).deliver([event(1)])

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.SINK_UNUSABLE
    assert mailbox.tried == 0


async def test_a_server_that_is_not_there_is_waited_for() -> None:
    async with mail_server() as mailbox:
        server = mailbox.server()
    [outcome] = await (await opened(server)).deliver([event(1)])

    assert isinstance(outcome, RetryLater)
    assert outcome.reason is RetryReason.CONNECT_FAILED
    assert OK not in outcome.answer
