"""What the type checker says of the classes of ``producers.products``: all that is wrong, and nothing else."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PROGRAM: Final = """
from datetime import UTC, datetime
from producers.blocking import BlockingEventPublisher
from producers.products import messaging, taskrouter, verify, voice
from producers.publisher import EventPublisher

ACCOUNT = "AC1"

async def right(publisher: EventPublisher, blocking: BlockingEventPublisher) -> None:
    sent = messaging.MessageSent(
        account_sid=ACCOUNT, message_sid="SM1", api_version="2010-04-01", from_="+1", to="+2", tags={"a": "b"}
    )
    ringing = voice.CallRinging(
        account_sid=ACCOUNT, sid="CA1", time=datetime.now(UTC),
        request=voice.Request(parameters={"CallSid": "CA1", "Duration": 5}),
    )
    await publisher.publish(sent)
    await publisher.publish_many([sent, ringing, sent.event()])
    blocking.publish_many(each for each in (sent, ringing))
    print(sent.message_status == "SENT", ringing.TYPE)

taskrouter.TaskCreated(account_sid=ACCOUNT, sid="EV1", payload=taskrouter.Payload(task_sid="WT1", task_age=0))

voice.CallRinging(account_sid=ACCOUNT, sid="CA1", call_sid="CA1")  # Unexpected keyword argument "call_sid"
voice.CallRinging(account_sid=ACCOUNT, sid=5)  # incompatible type "int"; expected "str"
voice.CallRinging(account_sid=ACCOUNT)  # Missing named argument "sid"
voice.CallRinging(ACCOUNT, sid="CA1")  # Too many positional arguments
voice.CallRinging(account_sid=ACCOUNT, sid="CA1", request=voice.Response())  # expected "Request | None"
voice.Request(methd="GET")  # Unexpected keyword argument "methd"
voice.CallRinging(account_sid=ACCOUNT, sid="CA1").sid = "CA2"  # Property "sid" defined in
verify.AttemptDlrSent(account_sid="", service_sid="", verification_sid="", dlr_status="READ")  # "dlr_status"
taskrouter.Ratelimits(account_sid=ACCOUNT)  # Missing named argument "source"
voice.CallSummaryPartial(account_sid=ACCOUNT, call_sid="CA1", tags=["high", 5])  # List item 1 has incompatible type
"""


@pytest.mark.timeout(300)
def test_the_type_checker_accepts_what_is_right_and_refuses_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)

    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}/cache", file],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    said: dict[int, str] = {}
    for line in found.stdout.splitlines():
        if parts := re.match(r".*?:(\d+): error: (.*)", line):
            said[int(parts[1])] = said.get(int(parts[1]), "") + parts[2]
    expected = {
        number: line.partition("  # ")[2] for number, line in enumerate(PROGRAM.splitlines(), 1) if "  # " in line
    }
    assert set(said) == set(expected), found.stdout
    for number, words in expected.items():
        assert words in said[number]
