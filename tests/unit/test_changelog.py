"""The fragments of ``changelog.d``: towncrier leaves out, without a word, one whose name it does not understand."""

import re
import tomllib

from tests.support.snippet_kinds import ROOT

KINDS = {
    kind["directory"]
    for kind in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["towncrier"]["type"]
}
NAME = re.compile(rf"[a-z0-9][a-z0-9-]*\.(?:{'|'.join(sorted(KINDS))})\.md")


def test_every_fragment_is_collected_and_is_one_paragraph() -> None:
    fragments = sorted((ROOT / "changelog.d").iterdir())

    assert fragments
    assert [each.name for each in fragments if not NAME.fullmatch(each.name)] == []
    texts = {each.name: each.read_text(encoding="utf-8") for each in fragments}
    assert [name for name, text in texts.items() if not text.strip() or text.startswith(("-", "*", "#"))] == []
