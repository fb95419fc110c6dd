"""Why the blocks of the documentation that are checked by their kind alone are not executed, each with its reason."""

from dataclasses import dataclass
from typing import Final

from tests.support.page import Block
from tests.support.snippet_kinds import ROOT


@dataclass(frozen=True, slots=True)
class Unexecuted:
    """The blocks of the pages whose path begins with ``page`` that have ``words`` in them, and why."""

    page: str
    why: str
    words: str = ""

    def takes(self, block: Block) -> bool:
        return str(block.page.relative_to(ROOT)).startswith(self.page) and self.words in block.text


WHY: Final = (
    Unexecuted("CONTRIBUTING.md", "runs every test there is, this one among them"),
    Unexecuted(
        "docs/commands.md",
        "is docs/verify.md and docs/rolling-restarts.md with other numbers, each minutes more: tests/system runs those",
        "eventstreams verify",
    ),
    Unexecuted("docs/verify.md", "takes an hour", "--soak"),
    Unexecuted(
        "docs/runbooks/README.md", "asks a release on a cluster by its name, in part until it is ended", "kubectl"
    ),
)
