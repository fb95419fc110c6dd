"""What distributions plug in: found by what Python's path has now, and looked for once."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from eventstreams.installed import entry_points


def install(site: Path, name: str, *lines: str) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(lines))


def test_they_are_found_by_group_and_by_name_with_who_brings_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "a", "acme", "[acme.things]", "first = acme:FIRST", "second = acme:SECOND")
    install(tmp_path / "b", "other", "[acme.things]", "first = other:FIRST", "[acme.others]", "third = other:THIRD")
    for folder in ("b", "a"):
        monkeypatch.syspath_prepend(tmp_path / folder)

    found = [(each.value, each.dist.name if each.dist else "") for each in entry_points(group="acme.things")]

    assert found == [("acme:FIRST", "acme"), ("acme:SECOND", "acme"), ("other:FIRST", "other")]
    assert [each.value for each in entry_points(group="acme.things", name="first")] == ["acme:FIRST", "other:FIRST"]
    assert entry_points(group="acme.nothing") == []


def test_all_that_is_installed_is_looked_through_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    looked, look = [], importlib.metadata.entry_points

    def counted() -> object:
        looked.append(tuple(sys.path))
        return look()

    monkeypatch.setattr(importlib.metadata, "entry_points", counted)
    entry_points(group="eventstreams.commands")
    entry_points(group="eventstreams.sinks", name="webhook")
    assert len(looked) == 1

    monkeypatch.syspath_prepend(tmp_path / "more")
    entry_points(group="eventstreams.sinks")
    assert len(looked) == 2
