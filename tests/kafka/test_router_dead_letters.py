"""What the router could not read, listed for the operator."""

import asyncio

import pytest
from click.testing import CliRunner

from control_api.commands.dead_letters import dead_letters
from eventstreams import headers as names
from eventstreams.headers import dead_headers
from eventstreams.reasons import DeadReason
from eventstreams.settings import Settings
from tests.support.installation import TOKEN
from tests.support.operator import OPERATOR_TOKEN, Asker, operated, operator_of

pytestmark = pytest.mark.kafka
PATH = "/operator/v1/RouterDeadLetters"


async def test_the_operator_sees_what_the_router_could_not_read_and_nobody_else_does(settings: Settings) -> None:
    async with operated(settings) as api:
        installation, operator = api.installation, operator_of(api)
        topic, sid = installation.topics.router_dead, installation.account_sid
        for number, reason in enumerate([DeadReason.MISSING_HEADER, DeadReason.BAD_HEADER, DeadReason.MISSING_HEADER]):
            event = [(names.ACCOUNT, sid.encode()), (names.ID, b"EZ%d" % number), ("x", b"\xff")]
            dead = dead_headers(
                event, None, origin="es.events/3/7", reason=reason, code=reason.code, detail="no source"
            )
            await installation.put_raw(topic, b"secret", dead)
        await installation.put_raw(topic, b"", [(f"h{number}", b"v" * 10_000) for number in range(100)])

        listed = await operator.all(PATH, "router_dead_letters", PageSize="3")
        chosen = await operator.all(PATH, "router_dead_letters", Reason="missing_header", PageSize="1")
        wrong = [await operator.ask("GET", PATH, **{name: "x"}) for name in ("Reason", "After", "Type", "PageToken")]
        account = await Asker(api.url, sid, TOKEN).ask("GET", PATH)
        env = {"EVENTSTREAMS_PUBLIC_URL": api.url, "EVENTSTREAMS_OPERATOR_TOKEN": OPERATOR_TOKEN}
        shown = await asyncio.to_thread(
            CliRunner(env=env).invoke, dead_letters, ["list", "--router", "--reason", "bad_header"]
        )

    strange, newest, *others = listed
    assert [each["event_id"] for each in (newest, *others)] == ["EZ2", "EZ1", "EZ0"]
    assert (newest["id"], newest["topic"], newest["partition"], newest["offset"]) == ("router.0.2", topic, 0, 2)
    assert (newest["origin"], newest["reason"], newest["code"]) == ("es.events/3/7", "missing_header", 91303)
    assert (newest["detail"], newest["account_sid"], newest["size_bytes"]) == ("no source", sid, 6)
    assert {"name": "x", "value": "\ufffd"} in newest["headers"]
    assert "secret" not in str(listed)
    assert (len(strange["headers"]), strange["more_headers"], strange["reason"]) == (30, 70, None)
    assert all(len(each["value"]) == 257 for each in strange["headers"])
    assert [each["event_id"] for each in chosen] == ["EZ2", "EZ0"]
    assert [status for status, _ in wrong] == [400] * 4
    assert account[0] == 401
    assert shown.exit_code == 0, shown.output
    head, line = shown.output.splitlines()
    assert head.split()[:4] == ["date_died", "origin", "account_sid", "event_id"]
    assert line.split()[1:] == ["es.events/3/7", sid, "EZ1", "-", "bad_header", "no", "source"]
