"""The storage of a local broker: formatted by Kafka's own tool once, and after that as the tool did."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from eventstreams.local.broker import LocalBroker

# In place of Java: notes that it was run, and writes what Kafka's tool does.
_TOOL = """\
#!/bin/sh
echo run >>{runs}
mkdir -p {data}
echo "the tool's features" >{data}/bootstrap.checkpoint
echo "node.id=1" >{data}/meta.properties
"""


@pytest.fixture
def broker(tmp_path: Path) -> LocalBroker:
    """One whose Java formats, and notes that; nothing is kept yet."""
    folder, jars, java = tmp_path / "broker", tmp_path / "jars", tmp_path / "java"
    jars.mkdir()
    java.write_text(_TOOL.format(runs=tmp_path / "runs", data=folder / "data"))
    java.chmod(0o755)
    return LocalBroker(folder, 9092, 9093, java, jars)


def runs(tmp_path: Path) -> int:
    noted = tmp_path / "runs"
    return len(noted.read_text().splitlines()) if noted.exists() else 0


def about(broker: LocalBroker) -> Mapping[str, str]:
    lines = (broker.folder / "data" / "meta.properties").read_text().splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def features(broker: LocalBroker) -> str:
    return (broker.folder / "data" / "bootstrap.checkpoint").read_text()


def test_the_tool_formats_once_and_the_next_storages_are_like_its(broker: LocalBroker, tmp_path: Path) -> None:
    others = [replace(broker, folder=tmp_path / name) for name in ("second", "third")]

    for each in (broker, *others):
        each.prepare()

    assert runs(tmp_path) == 1
    assert {features(each) for each in others} == {features(broker)} == {"the tool's features\n"}
    assert [about(each)["node.id"] for each in others] == ["1", "1"]
    for name in ("cluster.id", "directory.id"):
        assert len({about(each)[name] for each in others}) == 2
        assert {len(about(each)[name]) for each in others} == {22}


def test_node_and_cluster_are_those_that_were_asked_for(broker: LocalBroker, tmp_path: Path) -> None:
    broker.prepare()
    third = replace(broker, folder=tmp_path / "third", properties="node.id=3\n", cluster="of-the-test")

    third.prepare()

    assert (about(third)["node.id"], about(third)["cluster.id"]) == ("3", "of-the-test")


def test_what_is_there_stays(broker: LocalBroker, tmp_path: Path) -> None:
    broker.prepare()
    other = replace(broker, folder=tmp_path / "other")
    other.prepare()
    before = about(other)

    other.prepare()

    assert about(other) == before
    assert runs(tmp_path) == 1


def test_with_options_the_tool_formats_and_what_it_wrote_is_not_kept(broker: LocalBroker, tmp_path: Path) -> None:
    with_users = replace(broker, format_options=["--add-scram", "SCRAM-SHA-512=[name=u,password=p]"])

    with_users.prepare()

    assert runs(tmp_path) == 1
    assert list(broker.jars.iterdir()) == []

    broker.format()
    replace(with_users, folder=tmp_path / "other").prepare()

    assert runs(tmp_path) == 3


def test_where_nothing_can_be_kept_the_tool_formats_each_time(broker: LocalBroker, tmp_path: Path) -> None:
    nowhere = replace(broker, jars=tmp_path / "nowhere")

    nowhere.prepare()
    nowhere.format()

    assert runs(tmp_path) == 2
