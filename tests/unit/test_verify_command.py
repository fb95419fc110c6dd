"""``eventstreams verify`` on the command line: what is wrong is said, with what would be right."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from eventstreams.errors import EventStreamsError, PrerequisiteError, SettingsError
from eventstreams.verify import cli
from eventstreams.verify.cli import verify


def refusal(*arguments: str) -> str:
    """What it says to arguments that are wrong."""
    result = CliRunner().invoke(verify, arguments)
    assert result.exit_code == 2, result.output
    return result.output


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))  # no profiles of whoever runs the tests
    for name in ("OPERATOR_TOKEN", "ACCOUNT_SID", "AUTH_TOKEN"):
        monkeypatch.delenv(f"EVENTSTREAMS_{name}", raising=False)


def test_a_receiver_that_is_none_is_told_with_those_that_there_are() -> None:
    said = refusal("--receivers", "healthy,helthy")

    assert "'helthy' is not a receiver" in said
    assert "drop-n" in said


@pytest.mark.parametrize("receivers", ["slow:0", "slow:x", "slow:", "slow:-1"])
def test_a_number_of_receivers_that_is_none_is_told(receivers: str) -> None:
    assert "such as slow:3" in refusal("--receivers", receivers)


@pytest.mark.parametrize("receivers", ["healthy:101", "healthy:999999999", "healthy:60,slow:41"])
def test_more_receivers_than_an_account_has_sinks_are_refused(receivers: str) -> None:
    done = CliRunner().invoke(verify, ["--up", "--receivers", receivers])

    assert done.exit_code == 2
    assert "at most 100 receivers" in done.output


def test_a_time_that_is_none_is_told() -> None:
    assert "--settle" in refusal("--settle", "soon")


@pytest.mark.parametrize(
    "arguments",
    [("--events", "0"), ("--rate", "0"), ("--subscriptions", "101"), ("--seed", "-1"), ("--duplicates", "101")],
)
def test_what_is_out_of_range_is_refused(arguments: tuple[str, ...]) -> None:
    assert "not in the range" in refusal(*arguments)


def test_a_report_that_could_not_be_written_is_told_before_anything_is_published(tmp_path: Path) -> None:
    result = CliRunner().invoke(verify, ["--report", str(tmp_path / "nowhere" / "proof.html")])

    assert isinstance(result.exception, PrerequisiteError)
    assert str(result.exception).endswith("nowhere/proof.html cannot be written: No such file or directory")


def test_a_report_that_is_there_stays_until_there_is_another(tmp_path: Path) -> None:
    (tmp_path / "old.html").write_text("of yesterday")

    for name in ("old.html", "new.html"):
        result = CliRunner().invoke(verify, ["--report", str(tmp_path / name)])
        assert isinstance(result.exception, SettingsError)  # without credentials it comes no further

    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("old.html", "of yesterday")]


def test_without_credentials_it_says_which_to_set() -> None:
    result = CliRunner().invoke(verify, ["--api", "http://127.0.0.1:1"])

    assert isinstance(result.exception, SettingsError)
    assert "EVENTSTREAMS_OPERATOR_TOKEN, or EVENTSTREAMS_ACCOUNT_SID" in str(result.exception)


def test_an_api_that_is_not_there_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTSTREAMS_OPERATOR_TOKEN", "operator-of-the-test")
    monkeypatch.setattr("eventstreams.client.connection._FIRST_WAIT_S", 0.0)

    result = CliRunner().invoke(verify, ["--api", "http://127.0.0.1:1", "--listen", "127.0.0.1:0"])

    assert isinstance(result.exception, EventStreamsError)
    assert "the API at http://127.0.0.1:1 does not answer" in str(result.exception)


def test_what_has_to_be_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None if name in {"pygal", "twilio"} else object())

    result = CliRunner().invoke(verify, [])

    assert isinstance(result.exception, PrerequisiteError)
    assert str(result.exception) == "verify needs pygal, twilio: pip install 'eventstreams[verify]'"
