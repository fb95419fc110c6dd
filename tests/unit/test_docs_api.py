"""docs/api.md and docs/errors.md: every operation with its path, every error code, and no setting that there is not."""

import re
from pathlib import Path
from typing import Final

from control_api.http.codes import Code
from control_api.operations import OPERATIONS
from eventstreams.http import ErrorCode
from eventstreams.reasons import DeadReason, RetryReason
from eventstreams.settings import PREFIX, Settings

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGE: Final = (DOCS / "api.md").read_text("utf-8")
ERRORS: Final = (DOCS / "errors.md").read_text("utf-8")


def test_every_operation_is_on_the_page() -> None:
    named = set(re.findall(r"\b(?:List|Fetch|Create|Update|Delete)[A-Z]\w+", PAGE))

    assert named == {each.name for each in OPERATIONS}


def test_every_code_and_reason_has_a_row_that_says_what_it_means() -> None:
    rows = {
        code: (status, meaning)
        for code, status, meaning in re.findall(r"^\| `(\d+)` \| ([\d, ]+) \| (\S.+) \|$", ERRORS, re.MULTILINE)
    }

    assert set(rows) == {str(int(each)) for each in (*Code, *ErrorCode)}
    assert rows["20409"][0] == "409"
    assert rows["91001"][0] == "404"
    assert [each for each in (*RetryReason, *DeadReason) if f"| `{each}` | `{each.code}` |" not in ERRORS] == []


def test_every_setting_on_the_page_is_one() -> None:
    named = set(re.findall(rf"{PREFIX}(\w+)", PAGE))

    assert named
    assert named <= {name.upper() for name in Settings.model_fields}
