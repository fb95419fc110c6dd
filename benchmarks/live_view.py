"""``python -m benchmarks.live_view``: whether the console's live pages stay responsive at 1,000 events per second.

A real Chromium opens the overview, then the list of events, each for a minute (``--seconds``), on an ``eventstreams
up`` of its own whose account gets 1,000 events per second (``--rate``): one subscription's receiver accepts them,
another's refuses them. Prints for each page: the longest task of its main thread, the longest gap between two ticks of
a 50 ms timer, how long the page took to respond to a click, and whether it said that it samples.

Browser, cluster, receiver and simulator share the machine; the load average beside the figures shows how busy it was.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.measure import load, machine
from tests.support.chromium import find_chromium
from tests.support.plain_receiver import running_receiver
from tests.support.up import TOKEN, Up, clean_environ, running_up

_TYPES: Final = tuple(f"com.twilio.messaging.message.{each}" for each in ("queued", "sent", "delivered"))
_CLICK_EVERY_S: Final = 2.0
_SETTLES_S: Final = 15.0  # until the rates of the last ten seconds are those of the steady state
_SIZE: Final[Any] = {"width": 1280, "height": 900}
_WATCH: Final = """() => {
  window.seen = { tasks: [0], gaps: [0], clicks: [0], swaps: 0 };
  new PerformanceObserver((list) => list.getEntries().forEach((each) => seen.tasks.push(each.duration)))
    .observe({ type: "longtask" });
  new PerformanceObserver((list) => list.getEntries().forEach((each) => {
    if (each.interactionId) seen.clicks.push(each.duration);
  })).observe({ type: "event", durationThreshold: 16 });
  let last = performance.now();
  setInterval(() => { const now = performance.now(); seen.gaps.push(now - last); last = now; }, 50);
  document.addEventListener("htmx:sseMessage", () => { seen.swaps += 1; });
}"""


@dataclass(frozen=True, slots=True)
class Watched:
    """What was observed of a page.

    Attributes:
        longest_task: Longest time the main thread was busy with one task, in ms.
        tasks: Number of tasks longer than 50 ms.
        longest_gap: Longest gap between two beats of a 50 ms timer, in ms.
        longest_click: Longest time until the page had answered a click, in ms.
        clicks: Number of clicks.
        swaps: Number of times that a part of the page was replaced.
        said: Text of the page's figures.
    """

    longest_task: float
    tasks: int
    longest_gap: float
    longest_click: float
    clicks: int
    swaps: int
    said: str


def watch(page: Page, seconds: float, *, clicked: str, said: str) -> Watched:
    """Observe ``page`` for ``seconds``, clicking ``clicked`` every two seconds; ``said`` selects its figures."""
    page.evaluate(_WATCH)
    clicks, ends = 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        page.locator(clicked).click()
        clicks += 1
        page.wait_for_timeout(_CLICK_EVERY_S * 1000)
    seen = page.evaluate("seen")
    return Watched(
        longest_task=max(seen["tasks"]),
        tasks=len(seen["tasks"]) - 1,
        longest_gap=max(seen["gaps"]),
        longest_click=max(seen["clicks"]),
        clicks=clicks,
        swaps=seen["swaps"],
        said=" ".join(page.locator(said).inner_text().split()),
    )


def furnish(up: Up, receiver_url: str) -> None:
    """Create a subscription whose sink accepts everything, and one whose sink refuses everything."""
    events = up.client().events.v1
    for status in (200, 400):
        name = "takes all" if status == 200 else "refuses all"  # noqa: PLR2004
        destination = {"destination": f"{receiver_url}/{status}", "batch_events": True}
        sink = events.sinks.create(description=name, sink_type="webhook", sink_configuration=destination)
        events.subscriptions.create(description=name, sink_sid=sink.sid, types=[{"type": each} for each in _TYPES])


def sign_in(browser: Browser, up: Up) -> Page:
    page = browser.new_context(viewport=_SIZE).new_page()
    page.goto(f"{up.about['api']}/console/sign-in")
    page.get_by_label("Account SID or API key SID").fill(up.about["account_sid"])
    page.get_by_label("Auth token or secret").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
    return page


def show(name: str, rate: int, seconds: float, seen: Watched) -> None:
    print(
        f"{name}, {seconds:.0f} s, {rate:,} events a second asked for: longest task {seen.longest_task:.0f} ms "
        f"({seen.tasks} above 50 ms), longest gap of a 50 ms timer {seen.longest_gap:.0f} ms, slowest of {seen.clicks} "
        f"clicks {seen.longest_click:.0f} ms, {seen.swaps} parts exchanged"
    )
    print(f"  it says: {seen.said}")


def measure(up: Up, receiver_url: str, rate: int, seconds: float) -> None:
    furnish(up, receiver_url)
    chromium = find_chromium()
    lasts_s = 2 * (seconds + _SETTLES_S) + 30
    options = ["--account", up.about["account_sid"], "--products", "messaging", "--rate", str(rate)]
    env = {**clean_environ(), "EVENTSTREAMS_KAFKA": up.about["kafka"], "EVENTSTREAMS_REPLICATION_FACTOR": "1"}
    simulator = subprocess.Popen(
        [sys.executable, "-m", "eventstreams", "simulate", *options, "--duration", f"{lasts_s:.0f}s"], env=env
    )
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium.program, env=dict(chromium.environ), args=["--no-proxy-server"]
            )
            page = sign_in(browser, up)
            pages = (
                ("overview", "#as-table summary", "#figures"),
                ("events", "#theme", "[sse-swap=rate]"),
            )
            for name, clicked, said in pages:
                page.goto(f"{up.about['api']}/console/{name}")
                page.wait_for_timeout(_SETTLES_S * 1000)
                show(name, rate, seconds, watch(page, seconds, clicked=clicked, said=said))
                print(f"  load: {load()}")
            browser.close()
    finally:
        simulator.terminate()
        simulator.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args()
    print(machine())
    env = {"EVENTSTREAMS_API_RATE_LIMIT": "0"}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_receiver() as receiver,
        running_up(Path(folder) / "data", env=env) as up,
    ):
        print(f"load before: {load()}")
        measure(up, receiver.url, given.rate, given.seconds)


if __name__ == "__main__":
    main()
