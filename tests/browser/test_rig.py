"""The browser that tests drive: it starts, and what a page does wrong does not go unnoticed."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from typing_extensions import override

from tests.support.watched_page import Accessibility, Watch, fits_in_width

pytestmark = pytest.mark.browser

_HEAD: Final = '<!doctype html><html lang="en"><title>t</title><main><h1>Hello</h1>'
_PAGES: Final = {
    "/good": f"{_HEAD}<p>world</p></main>",
    "/inline-script": f"{_HEAD}<script>document.title = 'taken'</script></main>",
    "/elsewhere": f'{_HEAD}<img alt="" src="http://elsewhere.example/i.png"></main>',
    "/throws": f'{_HEAD}<script src="/throw.js"></script></main>',
    "/asks": f'{_HEAD}<script src="/ask.js"></script></main>',
    "/throw.js": "throw new Error('broken')",
    "/ask.js": "alert('here')",
    "/unlabelled": f'{_HEAD}<img src="/good"><input></main>',
    "/pale-in-the-dark": f'{_HEAD}<link rel="stylesheet" href="/pale.css"><p class="pale">words</p></main>',
    "/pale.css": "@media (prefers-color-scheme: dark) { .pale { color: #ddd } }",
    "/wide": f'{_HEAD}<link rel="stylesheet" href="/wide.css"><p class="wide">words</p></main>',
    "/wide.css": ".wide { width: 400px }",
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = _PAGES.get(self.path)
        if self.path == "/favicon.ico":
            body = ""
        self.send_response(404 if body is None else 200)
        kinds = {"js": "text/javascript", "css": "text/css"}
        self.send_header("Content-Type", kinds.get(self.path.rpartition(".")[2], "text/html; charset=utf-8"))
        self.send_header("Content-Security-Policy", "default-src 'self'; img-src *")
        self.end_headers()
        self.wfile.write((body or "").encode())

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def strict(context: BrowserContext) -> Watch:
    """A watch whose problems fail no test."""
    return Watch(context)


def test_a_page_is_shown_in_a_real_browser(page: Page, site: str, accessibility: Accessibility) -> None:
    page.goto(f"{site}/good")

    expect(page.get_by_role("heading", name="Hello")).to_be_visible()
    accessibility.check(page)
    assert fits_in_width(page)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/inline-script", "Content Security Policy"),
        ("/elsewhere", "request: http://elsewhere.example/i.png"),
        ("/throws", "error: broken"),
        ("/asks", "dialog: here"),
        ("/missing", "404"),
    ],
)
def test_what_a_page_does_wrong_is_noted(
    context: BrowserContext, strict: Watch, site: str, path: str, problem: str
) -> None:
    page = context.new_page()

    page.goto(f"{site}{path}")
    page.wait_for_load_state("networkidle")

    assert any(problem in each for each in strict.problems), strict.problems


def test_what_a_test_expects_is_no_problem(page: Page, watch: Watch, site: str) -> None:
    with watch.expecting("404"):
        page.goto(f"{site}/missing")
        page.wait_for_load_state("networkidle")

    assert watch.problems == []


@pytest.mark.parametrize(
    ("path", "finding"), [("/unlabelled", "critical"), ("/pale-in-the-dark", "dark: color-contrast")]
)
def test_what_is_in_a_users_way_is_found(
    context: BrowserContext, site: str, accessibility: Accessibility, path: str, finding: str
) -> None:
    page = context.new_page()
    page.goto(f"{site}{path}")

    with pytest.raises(AssertionError, match=finding):
        accessibility.check(page)


def test_a_page_that_is_too_wide_for_a_phone_is_found(phone: Page, site: str) -> None:
    phone.goto(f"{site}/wide")

    assert not fits_in_width(phone)
