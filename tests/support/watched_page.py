"""A page in a real browser, watched for what must not happen on any page, and checked for accessibility."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, WebError

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
_GRAVE: Final = frozenset({"serious", "critical"})
_IN_A_COLOUR_SCHEME: Final = {"runOnly": ["color-contrast"]}
_HERE: Final = "127.0.0.1"


class Watch:
    """Notes errors on the console (a violation of the content policy is one), dialogs and requests to elsewhere."""

    def __init__(self, context: BrowserContext) -> None:
        self.problems: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        context.on("dialog", self._on_dialog)
        context.on("request", self._on_request)

    @contextmanager
    def expecting(self, pattern: str) -> Iterator[None]:
        """Ignore problems that match ``pattern`` inside the block, such as a refusal that a test provokes."""
        self._expected.append(re.compile(pattern))
        try:
            yield
        finally:
            self._expected.pop()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"console: {message.text} ({message.location.get('url', '')})")

    def _on_error(self, error: WebError) -> None:
        self._note(f"error: {error.error.message}")

    def _on_dialog(self, dialog: Dialog) -> None:
        self._note(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in {"data", "blob", "about"}:
            return
        if address.hostname != _HERE:
            self._note(f"request: {request.url}")

    def _note(self, problem: str) -> None:
        if not any(each.search(problem) for each in self._expected):
            self.problems.append(problem)


class Accessibility:
    """Checks pages with axe-core."""

    def __init__(self, script: Path) -> None:
        self._script = script.read_text()

    def check(self, page: Page) -> None:
        """Assert that axe-core finds no serious violation on the page, in light or dark mode."""
        found = [*self._look(page, "light", {}), *self._look(page, "dark", _IN_A_COLOUR_SCHEME)]
        page.emulate_media(color_scheme="light")
        assert not found, f"{page.url}: " + "\n".join(found)

    def _look(self, page: Page, scheme: Any, options: Mapping[str, object]) -> Sequence[str]:
        page.emulate_media(color_scheme=scheme)
        page.evaluate(self._script)  # through the debugger, as the page's content policy would forbid it
        answer = page.evaluate(f"axe.run({json.dumps({'resultTypes': ['violations'], **options})})")
        return [
            f"{scheme}: {each['id']} ({each['impact']}): {each['help']}: {[node['target'] for node in each['nodes']]}"
            f" {each['nodes'][0]['failureSummary']}"
            for each in answer["violations"]
            if each["impact"] in _GRAVE
        ]


def fits_in_width(page: Page) -> bool:
    """Return whether the page fits its width, without horizontal scrolling."""
    fits: bool = page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    return fits


class Screenshots:
    """The documentation's screenshots, which tests take."""

    def __init__(self, *, update: bool) -> None:
        self._update = update

    def take(self, page: Page, name: str) -> None:
        """Write ``docs/images/<name>.png`` where they are to be made anew; else it must be there."""
        file = IMAGES / f"{name}.png"
        if self._update:
            IMAGES.mkdir(exist_ok=True)
            page.screenshot(path=file, animations="disabled")
        assert file.is_file(), f"{file.name} is not there: make it with --update-screenshots"
