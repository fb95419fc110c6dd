"""Makes ``.venv`` with the locked dependencies and the project, and fetches Kafka. Standard library only.

Runs again only where something has changed: a stamp in the environment holds the hash of what it was made from.
"""

import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "setup.stamp"
MADE_FROM = ("requirements.lock", "requirements-java.lock", "pyproject.toml", "tools/setup.py")
OLDEST_JAVA = 17
NOT_INSTALLED = "the dependencies could not be installed: look at what pip says above, most likely the network"
# Half of all there is in site-packages, and of these a process imports little or nothing.
BARELY_IMPORTED = ("cfnlint", "moto", "mypy", "mypyc", "networkx", "sympy", "twilio")


def main() -> None:
    wanted = fingerprint()
    if STAMP.is_file() and STAMP.read_text() == wanted and works(VENV / "bin" / "python"):
        return
    if not works(VENV / "bin" / "python"):
        make_environment()
    say("installing the locked dependencies into .venv")
    install_locked()
    if not java_is_new_enough():
        say(f"there is no Java {OLDEST_JAVA} or newer here: installing one into .venv")
        pip("-r", "requirements-java.lock", "--require-hashes")
    pip("--no-deps", "--no-build-isolation", "--editable", ".")
    compile_modules()
    run([VENV / "bin" / "eventstreams", "fetch-kafka"], "Kafka could not be fetched", stdout=subprocess.DEVNULL)
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


def install_locked() -> None:
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
    return [
        VENV / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--no-compile",
        "--disable-pip-version-check",
        *quiet,
        *arguments,
    ]


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


def run(command: list[str | Path], problem: str, stdout: int | None = None) -> None:
    done = subprocess.run([str(part) for part in command], cwd=ROOT, stdout=stdout, check=False)
    if done.returncode != 0:
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
