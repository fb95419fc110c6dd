"""A real browser for tests, and a page in it that fails the test where something is wrong that nobody looked for.

Its own thread of control is a module's: while it is open, no test of that module can be a coroutine.
"""

from collections.abc import Generator, Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, ViewportSize, expect, sync_playwright

from tests.support.chromium import Chromium, find_chromium
from tests.support.watched_page import Accessibility, Screenshots, Watch

_SIZE: Final[ViewportSize] = {"width": 1200, "height": 800}
_PHONE: Final[ViewportSize] = {"width": 360, "height": 740}
_WAIT_MS: Final = 60_000.0  # a busy machine is no finding
_SHOWN_MS: Final = 5_000.0
expect.set_options(timeout=_WAIT_MS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a test that fails go the words that were on its page: a locator that found nothing says nothing of them."""
    report = yield
    page = getattr(item, "funcargs", {}).get("page")
    if report.when == "call" and report.failed and isinstance(page, Page):
        try:
            shown = page.inner_text("body", timeout=_SHOWN_MS)
        except Error as error:
            shown = f"nothing: {error.message}"
        report.sections.append((f"on the page {page.url}", shown))
    return report


@pytest.fixture(scope="session")
def chromium() -> Chromium:
    return find_chromium()


@pytest.fixture(scope="module")
def browser(chromium: Chromium) -> Iterator[Browser]:
    """Finds no other host than this one."""
    arguments = ["--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.program, env=dict(chromium.environ), args=arguments
        )
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that was never anywhere."""
    with browser.new_context(viewport=_SIZE, locale="en-GB", timezone_id="UTC", reduced_motion="reduce") as context:
        context.set_default_timeout(_WAIT_MS)
        yield context


@pytest.fixture
def watch(context: BrowserContext) -> Iterator[Watch]:
    watch = Watch(context)
    yield watch
    assert watch.problems == []


@pytest.fixture
def page(context: BrowserContext, watch: Watch) -> Page:
    """One that is watched."""
    return context.new_page()


@pytest.fixture
def phone(page: Page) -> Page:
    """The same, as narrow as a phone."""
    page.set_viewport_size(_PHONE)
    return page


@pytest.fixture(scope="session")
def accessibility(chromium: Chromium) -> Accessibility:
    return Accessibility(chromium.axe)


@pytest.fixture(scope="session")
def screenshots(request: pytest.FixtureRequest) -> Screenshots:
    return Screenshots(update=request.config.getoption("--update-screenshots"))
