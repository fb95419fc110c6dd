"""Every code block of the documentation is executed by a test and right by its kind; a drawing says that it is one."""

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.support.executed import EXECUTED, Executed
from tests.support.page import Block, blocks_of
from tests.support.snippet_kinds import ROOT
from tests.support.snippets import Fate, blocks, fate_of, queries, wrong_with
from tests.unit.test_docs_guarantees import names_of_tests
from tools.prometheus import find_programs

BLOCKS = blocks()
MARKED_AT_MOST = 1
"""A drawing: where there are more, look whether they have to be."""


def place(block: Block) -> str:
    return f"{block.page.relative_to(ROOT)}:{block.line}"


@pytest.mark.parametrize("block", BLOCKS, ids=place)
def test_a_block_is_executed_or_says_why_not_and_nothing_is_wrong_with_it(block: Block) -> None:
    fate = fate_of(block)

    assert fate, f"{place(block)}: no test executes it: see tests/support/executed.py"
    assert wrong_with(block) == []


def test_all_but_a_drawing_are_executed() -> None:
    found = Counter(fate_of(block) for block in BLOCKS)

    assert found[Fate.EXECUTED] >= 204
    assert found[Fate.MARKED] <= MARKED_AT_MOST


@pytest.mark.parametrize("row", EXECUTED, ids=lambda row: f"{row.page} {row.language} {row.words}")
def test_what_is_said_to_be_executed_is_there_and_so_is_the_test_which_reads_the_page(row: Executed) -> None:
    file, _, name = row.test.partition("::")

    assert name in names_of_tests(ROOT / file)
    assert Path(row.page).name in (ROOT / file).read_text() or row.words == "make demo"
    assert any(row.takes(block) for block in BLOCKS)


def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    found = list(queries())
    assert len(found) >= 5
    metrics = (ROOT / "docs" / "metrics.md").read_text()
    named = {name for query in found for name in re.findall(r"eventstreams_\w+", query)}
    assert [name for name in named if f"`{name.removesuffix('_bucket')}`" not in metrics] == []
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(found)]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))

    done = subprocess.run(
        [find_programs().promtool, "check", "rules", file], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("```sh\neventstreams sink list\n```", "there is no command 'sink'"),
        ("```sh\nX=1 eventstreams sinks list --stauts active | cat\n```", "No such option"),
        ("```sh\necho $(eventstreams redrive --rate x)\n```", "'x' is not a valid"),
        ("```sh\neventstreams sinks show\n```", "is missing"),
        ("```sh\neventstreams sinks show DG… DF…\n```", "takes no 'DF…'"),
        ("```sh\neventstreams sinks\n```", "a command is missing"),
        ("```sh\necho 'it is open\n```", "unexpected EOF"),
        ("```sh\nEVENTSTREAMS_TTTL=1h eventstreams api\n```", "no setting EVENTSTREAMS_TTTL"),
        ("```sh\nmake demmo\n```", "no target demmo"),
        ("```sh\n# two\ncurl -u $a:$b http://127.0.0.1:8080/v1/Sink   # lists\n```", "no operation GET /v1/Sink"),
        ("```sh\ncurl -X DELETE $API/v1/Attempts\n```", "no operation DELETE /v1/Attempts"),
        ("```sh\ncurl $API/v1/Attempts?Sink=DG…\n```", "no parameter Sink"),
        ("```sh\ncurl -G $API/v1/Attempts --data-urlencode 'Sink=DG…'\n```", "no parameter Sink"),
        ("```sh\ncurl $API/v1/Sinks -d Descripton=x\n```", "no field Descripton"),
        ("```json\n{'a': 1}\n```", "no JSON"),
        ('<!-- checked as: ErrorBody -->\n```json\n{"code": 1, "mesage": "x"}\n```', "mesage"),
        ("```python\nimport\n```", "no Python"),
        ("```toml\na = \n```", "no TOML"),
        ("```http\nPOST / HTTP/1.1\nHost\n\n{}\n```", "no header: Host"),
        ("<!-- checked as: values of the chart -->\n```yaml\nimages: {}\n```", "images"),
        (
            "<!-- checked as: environment of a container -->\n```yaml\nenv: [{name: EVENTSTREAMS_X}]\n```",
            "EVENTSTREAMS_X",
        ),
        ("<!-- checked as: triggers of a ScaledObject -->\n```yaml\ntriggers: [{type: 1}]\n```", "is not of type"),
        ("<!-- checked as: a cake -->\n```yaml\na: 1\n```", "no 'a cake'"),
        ("<!-- checked as: Sinkk -->\n```json\n{}\n```", "no 'Sinkk'"),
    ],
    ids=lambda each: each.replace("\n", " ")[:60],
)
def test_a_block_that_is_wrong_is_found(tmp_path: Path, block: str, words: str) -> None:
    [found] = page_of(tmp_path, block)

    assert words in " ".join(wrong_with(found))


@pytest.mark.parametrize(
    "block",
    [
        "```\nprinted\n```",
        "```sh\nmake test\n```",
        "```ruby\nx\n```",
    ],
)
def test_a_block_that_no_test_executes_is_found(tmp_path: Path, block: str) -> None:
    [found] = page_of(tmp_path, block)

    assert fate_of(found) is None


def test_blocks_in_lists_are_found_with_what_is_said_above_them(tmp_path: Path) -> None:
    lines = ["- one:", "", "  <!-- not run: it was printed -->", "  ```", "  out", "  ```", ""]
    lines += ["`a.py`, in part:", "", "```python", "x = 1", "```"]

    found = page_of(
        tmp_path,
        "\n".join(lines),
    )

    assert [(each.language, each.text, each.line) for each in found] == [("", "out", 4), ("python", "x = 1", 10)]
    assert fate_of(found[0]) is Fate.MARKED
    assert (found[1].file, found[1].is_part) == ("a.py", True)


def page_of(folder: Path, text: str) -> list[Block]:
    page = folder / "page.md"
    page.write_text(text)
    return list(blocks_of(page))
