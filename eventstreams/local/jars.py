"""Fetches Apache Kafka's jars once from Maven Central, and checks each against its SHA-256.

A jar gets its final name only after it was checked, so a folder that has all names need not be checked again.
"""

import fcntl
import hashlib
import importlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from eventstreams.errors import PrerequisiteError
from eventstreams.local.jar import Fetcher, FetchError, Jar

KAFKA: Final = "Apache Kafka 4.1.1"
_FOLDER: Final = "kafka-4.1.1"
_LIST: Final = Path(__file__).with_name("kafka-jars.txt")


def pinned_jars() -> Sequence[Jar]:
    """All jars that a broker needs."""
    lines = _LIST.read_text().splitlines()
    return [Jar.parse(line) for line in lines if line and not line.startswith("#")]


def fetch_jars(
    cache: Path,
    *,
    name: str = _FOLDER,
    jars: Sequence[Jar] | None = None,
    fetchers: Sequence[Fetcher] | None = None,
    on_start: Callable[[int, Path], None] = lambda _count, _folder: None,
    on_jar: Callable[[], None] = lambda: None,
) -> Path:
    """Return the folder with all jars, after fetching those that are missing. Safe to call from several processes.

    Args:
        cache: Folder in which downloads are kept.
        name: Name of the folder in it.
        jars: The jars to have; by default ``pinned_jars()``.
        fetchers: Ways to download, tried one after the other; by default directly, then, if Maven is installed,
            through Maven (which may know a mirror).
        on_start: Called with the number of jars and the folder before the first download; not if nothing is missing.
        on_jar: Called after each download, from several threads.

    Raises:
        PrerequisiteError: a jar cannot be downloaded or is not the pinned one, or the folder cannot be written.
    """
    wanted = pinned_jars() if jars is None else jars
    folder = cache / name
    if not _missing(folder, wanted):
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if missing := _missing(folder, wanted):  # another process may have fetched them meanwhile
                on_start(len(missing), folder)
                _fetch(missing, folder, _fetchers() if fetchers is None else fetchers, on_jar)
    except OSError as error:
        raise PrerequisiteError(
            f"{folder} cannot hold {KAFKA}: {error.strerror or error}; choose another folder with "
            "EVENTSTREAMS_CACHE_DIR"
        ) from error
    return folder


def _missing(folder: Path, wanted: Sequence[Jar]) -> Sequence[Jar]:
    return [jar for jar in wanted if not (folder / jar.file_name).exists()]


def _fetch(missing: Sequence[Jar], folder: Path, fetchers: Sequence[Fetcher], on_jar: Callable[[], None]) -> None:
    def keep(jar: Jar, file: Path) -> None:
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        if found != jar.sha256:
            raise PrerequisiteError(
                f"{jar.file_name} as downloaded is not the pinned file (SHA-256 {found[:12]}…, not "
                f"{jar.sha256[:12]}…) and was discarded: check what lies between this machine and Maven Central"
            )
        file.replace(folder / jar.file_name)
        on_jar()

    problem = FetchError("no download source works")
    for fetcher in fetchers:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as scratch:
            try:
                fetcher(_missing(folder, missing), Path(scratch), keep)
            except FetchError as error:
                problem = error
            else:
                return
    raise PrerequisiteError(
        f"{KAFKA} could not be downloaded: {problem}; check the network, or use another Kafka with --kafka"
    )


def _fetchers() -> Sequence[Fetcher]:
    try:
        central = importlib.import_module("eventstreams.local.maven_central")
    except ImportError as error:
        raise PrerequisiteError(
            f"{error.name} is missing, which is needed to download {KAFKA}: pip install 'eventstreams[local]', or "
            "use another Kafka with --kafka"
        ) from error
    found: Sequence[Fetcher] = central.fetchers()
    return found


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system releases if we die."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
