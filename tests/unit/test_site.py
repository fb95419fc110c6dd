"""The documentation site, built as ``make site`` does: every link leads somewhere, and no other host is asked."""

import re
import subprocess
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from posixpath import dirname, normpath
from urllib.parse import unquote, urlsplit

import pytest
from typing_extensions import override

ROOT = Path(__file__).parents[2]
BROKEN = """\
# Begin

[a page](away.md), [an anchor](other.md#away), [a file](../away.txt), ![an image](images/away.png)
"""


def build(*arguments: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tools.site", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=220, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "site"
    done = build(folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


class Page(HTMLParser):
    """One page: the addresses that it names, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: set[tuple[str, str]] = set()
        self.anchors = {""}
        self.feed(text)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors.add(given.get("id", ""))
        self.addresses |= {(tag, given[name]) for name in ("href", "src", "srcset", "action") if given.get(name)}


@pytest.fixture(scope="module")
def pages(site: Path) -> Mapping[str, Page]:
    """By their paths in the site. The theme's own folder has a template among its files."""
    files = {file.relative_to(site).as_posix(): file for file in site.rglob("*.html")}
    return {name: Page(file.read_text("utf-8")) for name, file in files.items() if not name.startswith("_static/")}


def test_every_page_is_built(pages: Mapping[str, Page]) -> None:
    written = {
        page.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for page in (ROOT / "docs").rglob("*.md")
    }

    assert written | {"search.html"} == set(pages)


def test_every_link_leads_somewhere(site: Path, pages: Mapping[str, Page]) -> None:
    there = {file.relative_to(site).as_posix() for file in site.rglob("*")}
    nowhere, looked_at = [], 0
    for name, page in pages.items():
        for parts in (urlsplit(address) for _, address in page.addresses):
            if parts.scheme or parts.netloc:
                continue
            looked_at += 1
            target = normpath(f"{dirname(name)}/{unquote(parts.path)}".lstrip("/")) if parts.path else name
            anchors = pages[target].anchors if target in pages else {parts.fragment}
            if target not in there or unquote(parts.fragment) not in anchors:
                nowhere.append((name, parts.geturl()))

    assert looked_at > 1000
    assert nowhere == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_link_of_a_page_beside_the_site_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text("utf-8"))

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_no_page_asks_another_host_for_anything(site: Path, pages: Mapping[str, Page]) -> None:
    outside = {tag for page in pages.values() for tag, address in page.addresses if urlsplit(address).netloc}
    styles = "".join(file.read_text("utf-8") for file in site.rglob("*.css"))

    assert outside == {"a"}
    assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", styles) == []


def test_what_leads_nowhere_or_is_in_no_list_of_pages_fails_the_build(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text(BROKEN)
    (docs / "other.md").write_text("# Other\n\n[begin](index.md)\n")

    done = build(tmp_path / "site", docs)

    assert done.returncode == 1
    for words in ("'away.md'", "'other': 'away'", "'../away.txt'", "images/away.png", "isn't included in any toctree"):
        assert words in done.stderr
