"""docs/api.md: every operation with its path, every error code, and no setting that there is not."""

import re
from pathlib import Path
from typing import Final

from control_api.codes import Code
from control_api.operations import OPERATIONS
from eventstreams.http import ErrorCode
from eventstreams.settings import PREFIX, Settings

PAGE: Final = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")


def test_every_operation_is_on_the_page() -> None:
    named = set(re.findall(r"\b(?:List|Fetch|Create|Update|Delete)[A-Z]\w+", PAGE))

    assert named == {each.name for each in OPERATIONS}


def test_every_code_that_a_resource_is_refused_with_is_on_the_page() -> None:
    assert [each for each in Code if str(each.value) not in PAGE] == []
    assert str(ErrorCode.CONFLICT.value) in PAGE


def test_every_setting_on_the_page_is_one() -> None:
    named = set(re.findall(rf"{PREFIX}(\w+)", PAGE))

    assert named
    assert named <= {name.upper() for name in Settings.model_fields}
