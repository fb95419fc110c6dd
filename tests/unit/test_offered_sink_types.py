"""The sink types that an operator offers: how they are named, and what is said of one whose plugin is not here."""

import pytest
from structlog.testing import capture_logs

from control_api.role import tell_what_lacks
from eventstreams.doctor.examine import examine_sink_types
from eventstreams.doctor.findings import Grade
from eventstreams.errors import SettingsError
from eventstreams.settings import Settings

VARIABLE = "EVENTSTREAMS_SINK_TYPES"


@pytest.mark.parametrize(
    ("given", "offered"),
    [("webhook, s3", ("webhook", "s3")), ("none", ()), ("", None), (" , ", None)],
    ids=["named", "none", "empty", "commas alone"],
)
def test_types_are_named_or_none_or_left_to_what_is_installed(
    monkeypatch: pytest.MonkeyPatch, given: str, offered: tuple[str, ...] | None
) -> None:
    monkeypatch.setenv(VARIABLE, given)

    assert Settings.load().sink_types == offered


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("none,webhook", f"{VARIABLE} is 'none,webhook': `none` cannot be combined with others"),
        ("webhook;s3", f"{VARIABLE} is 'webhook;s3': 'webhook;s3' is not a valid sink type"),
    ],
)
def test_what_cannot_be_types_is_said(monkeypatch: pytest.MonkeyPatch, given: str, words: str) -> None:
    monkeypatch.setenv(VARIABLE, given)

    with pytest.raises(SettingsError) as refused:
        Settings.load()
    assert words in str(refused.value)


def test_the_api_logs_which_plugin_it_lacks() -> None:
    with capture_logs() as logs:
        tell_what_lacks(["webhook", "pigeon"], ["webhook", "kinesis"])

    [line] = logs
    assert (line["log_level"], line["event"], line["sink_type"]) == ("warning", "plugin.not_installed", "pigeon")
    assert line["installed"] == ["kinesis", "webhook"]


def test_the_doctor_warns_of_a_plugin_that_is_not_here_and_of_nothing_offered() -> None:
    [lacking] = examine_sink_types(("webhook", "pigeon"), ["webhook", "kinesis"])
    [nothing] = examine_sink_types((), ["webhook"])

    assert lacking.grade is nothing.grade is Grade.WARNING
    assert lacking.fact.startswith(f"{VARIABLE} includes pigeon, whose plugin is not installed here")
    assert lacking.fix is not None
    assert lacking.fix.endswith("available: kinesis, webhook")
    assert nothing.fact == f"{VARIABLE} is none: no sinks can be created"
    assert examine_sink_types(None, ["webhook"]) == examine_sink_types(("webhook",), ["webhook"]) == []
