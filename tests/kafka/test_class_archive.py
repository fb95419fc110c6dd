"""Java's archive of Kafka's classes: really mapped, and done without where it does not fit."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from eventstreams.local.class_archive import make_archive, mapping
from eventstreams.local.java import find_java
from eventstreams.local.kafka import fetch_with_progress
from eventstreams.settings import Settings

FROM_ARCHIVE = "kafka.Kafka source: shared objects file (top)"


def test_the_one_that_is_kept_is_mapped() -> None:
    java, kept = find_java(), fetch_with_progress(Settings.load().cache_dir)
    make_archive(java, kept)  # as `make setup` has done: nothing, then

    assert FROM_ARCHIVE in loaded(mapping(java, kept), java, kept)


def test_java_does_without_one_that_is_none(tmp_path: Path) -> None:
    java, jars = find_java(), fetch_with_progress(Settings.load().cache_dir)
    other = tmp_path / "other.jsa"
    other.write_bytes(b"no archive at all")
    make_archive(java, jars)
    *options, _ = mapping(java, jars)

    assert FROM_ARCHIVE not in loaded([*options, f"-XX:SharedArchiveFile={other}"], java, jars)


def loaded(options: Sequence[str], java: Path, jars: Path) -> str:
    """What Java loads, and where from, to run Kafka's own program, which says how to use it."""
    command = [java, *options, "-Xlog:class+load:stdout", "-cp", f"{jars}/*", "kafka.Kafka"]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert len(options) > 1
    assert "server.properties" in done.stdout + done.stderr
    assert "kafka.Kafka source: " in done.stdout
    return done.stdout
