"""Downloads from Maven Central: directly, or through the user's Maven, which may know a mirror."""

import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import requests
from jgo.maven import MavenContext, PythonResolver

from eventstreams.local.jar import Fetcher, FetchError, Jar, Keep

_AT_ONCE: Final = 4
_TIMEOUT_S: Final = 30
_MAVEN_S: Final = 600


def fetchers() -> Sequence[Fetcher]:
    """The ways available on this machine, the fastest first."""
    maven = shutil.which("mvn")
    return [_directly] if maven is None else [_directly, partial(_through_maven, maven)]


def _directly(jars: Sequence[Jar], scratch: Path, keep: Keep) -> None:
    def one(jar: Jar) -> None:
        context = MavenContext(PythonResolver(), repo_cache=scratch / jar.file_name, local_repos=[], timeout=_TIMEOUT_S)
        component = context.project(jar.group, jar.artifact).at_version(jar.version)
        try:
            file = component.artifact().resolve()
        except (requests.RequestException, RuntimeError) as error:
            raise FetchError(f"{jar.file_name}: {type(error).__name__}") from error
        keep(jar, file)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            for _ in pool.map(one, jars):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _through_maven(maven: str, jars: Sequence[Jar], scratch: Path, keep: Keep) -> None:
    dependencies = "".join(
        f"<dependency><groupId>{jar.group}</groupId><artifactId>{jar.artifact}</artifactId>"
        f"<version>{jar.version}</version></dependency>"
        for jar in jars
    )
    (scratch / "pom.xml").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>kafka</artifactId>"
        f"<version>1</version><dependencies>{dependencies}</dependencies></project>"
    )
    command = [maven, "-B", "-q", "dependency:copy-dependencies", "-DexcludeTransitive", "-DoutputDirectory=jars"]
    try:
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=_MAVEN_S, check=False)  # noqa: S603 - the user's Maven
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"Maven: {type(error).__name__}") from error
    if done.returncode != 0:
        raise FetchError(f"Maven: {next(iter(done.stdout.splitlines()), 'failed')}")
    for jar in jars:
        keep(jar, scratch / "jars" / jar.file_name)
