"""A storage that is formatted without Kafka's tool is what the tool makes."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from eventstreams.local.broker import LocalBroker
from eventstreams.local.class_archive import mapping
from eventstreams.local.java import find_java
from eventstreams.local.kafka import fetch_with_progress
from eventstreams.local.ports import free_ports
from eventstreams.settings import Settings


def about(broker: LocalBroker) -> Mapping[str, str]:
    lines = (broker.folder / "data" / "meta.properties").read_text().splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines if not line.startswith("#"))}


def features(broker: LocalBroker) -> tuple[int, list[bytes]]:
    """How large the file is, and the names of features in it; it has the time when it was made as well."""
    found = (broker.folder / "data" / "bootstrap.checkpoint").read_bytes()
    return len(found), re.findall(rb"[a-z.]+\.version", found)


def test_it_is_what_kafkas_tool_makes(tmp_path: Path) -> None:
    java, jars = find_java(), fetch_with_progress(Settings.load().cache_dir)
    port, controller_port = free_ports(2)
    by_tool = LocalBroker(
        tmp_path / "1", port, controller_port, java, jars, cluster="of-the-test", jvm=mapping(java, jars)
    )
    by_tool.format()  # keeps what the other takes
    as_kept = replace(by_tool, folder=tmp_path / "2", java=tmp_path / "no-java")

    as_kept.prepare()

    assert features(as_kept) == features(by_tool)
    assert b"metadata.version" in features(as_kept)[1]
    assert about(as_kept) == {**about(by_tool), "directory.id": about(as_kept)["directory.id"]}
    assert len(about(as_kept)["directory.id"]) == len(about(by_tool)["directory.id"])
