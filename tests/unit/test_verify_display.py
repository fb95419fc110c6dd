"""Whoever waits for ``eventstreams verify`` sees how far it is."""

import pytest

from eventstreams.verify.display import Display
from eventstreams.verify.timeline import Sample, Timeline


def test_on_a_terminal_there_is_a_bar_with_what_was_published_and_delivered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal then
    monkeypatch.setenv("COLUMNS", "100")

    with Display(total=10_000) as display:
        display.show(Sample(at_s=1.0, acknowledged=2_500, delivered=[2_400, 1_100]))

    shown = capsys.readouterr()
    assert "2,500 published, 3,500 delivered" in shown.err
    assert shown.out == ""


def test_without_a_terminal_there_is_none(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    with Display(total=10_000) as display:
        display.show(Sample(at_s=1.0, acknowledged=2_500, delivered=[2_400, 1_100]))

    assert capsys.readouterr() == ("", "")


def test_each_sample_of_a_run_is_told() -> None:
    told: list[Sample] = []
    timeline = Timeline(lambda: (3, [2, 1]), told=told.append)

    timeline.take()

    assert told == timeline.samples
    assert (told[0].acknowledged, told[0].delivered) == (3, [2, 1])
