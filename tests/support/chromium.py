"""A real Chromium for tests, with its libraries and fonts, and axe-core: from npm, unpacked once into the cache.

Nothing has to be installed on the machine, and no root is needed.
"""

import fcntl
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eventstreams.local.kafka import default_cache
from eventstreams.settings import Settings
from tests.support.npm import INSTALL, run_node

_PROJECT: Final = Path(__file__).parents[1] / "browser"
_FETCH_S: Final = 300.0  # 70 MB
_UNPACK_S: Final = 120.0
_UNPACK: Final = """
const fs = require("fs"), zlib = require("zlib"), { pipeline } = require("stream/promises");
const [from, to] = process.argv.slice(1);
pipeline(fs.createReadStream(from), zlib.createBrotliDecompress(), fs.createWriteStream(to));
"""  # a failure is an unhandled rejection, which ends Node with 1
# Only these fonts, so that screenshots look the same on every machine.
_FONTS: Final = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
  <alias><family>sans-serif</family><prefer><family>Open Sans</family><family>DejaVu Sans</family></prefer></alias>
  <alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>
"""
_FONTS_TAKEN: Final = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf")


@dataclass(frozen=True, slots=True)
class Chromium:
    """The folder that it was unpacked to."""

    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "chromium"

    @property
    def axe(self) -> Path:
        """The script that checks a page's accessibility."""
        return self.folder / "axe.min.js"

    @property
    def environ(self) -> Mapping[str, str]:
        """Environment variables to start it with."""
        return {
            **os.environ,
            "LD_LIBRARY_PATH": str(self.folder / "lib"),
            "FONTCONFIG_FILE": str(self.folder / "fonts.conf"),
        }


def find_chromium() -> Chromium:
    """Return the Chromium that ``tests/browser/package-lock.json`` pins, fetching it if it is not in the cache."""
    cache = Settings.load().cache_dir or default_cache()
    cache.mkdir(parents=True, exist_ok=True)
    recipe = b"".join(each.read_bytes() for each in (_PROJECT / "package-lock.json", Path(__file__)))
    folder = cache / f"chromium-{hashlib.sha256(recipe).hexdigest()[:12]}"
    with (cache / ".chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=cache, prefix=".fetching-") as scratch:
                _unpack(_fetch(Path(scratch)), made := Path(scratch) / "made")
                made.rename(folder)
    return Chromium(folder)


def _fetch(scratch: Path) -> Path:
    """Install the packages; return their folder."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_PROJECT / name, scratch)
    run_node(*INSTALL, "--omit=optional", folder=scratch, timeout_s=_FETCH_S)
    return scratch / "node_modules"


def _unpack(packages: Path, made: Path) -> None:
    packed = packages / "@sparticuz" / "chromium" / "bin"
    made.mkdir()
    _decompress(packed / "chromium.br", made / "chromium")
    (made / "chromium").chmod(0o755)
    for name in ("al2023", "fonts"):  # its libraries from Amazon Linux 2023, which suit older systems too
        _decompress(packed / f"{name}.tar.br", tar := made / f"{name}.tar")
        with tarfile.open(tar) as archive:
            archive.extractall(made, filter="data")
        tar.unlink()
    for name in _FONTS_TAKEN:
        shutil.copy(packages / "dejavu-fonts-ttf" / "ttf" / name, made / "fonts")
    (made / "fonts.conf").write_text(_FONTS)
    shutil.copy(packages / "axe-core" / "axe.min.js", made)


def _decompress(file: Path, to: Path) -> None:
    run_node("--eval", _UNPACK, "--", str(file), str(to), folder=to.parent, timeout_s=_UNPACK_S)
