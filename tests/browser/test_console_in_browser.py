"""The console in a real browser: the main task of each page, with a mouse, with a keyboard, on a phone."""

import asyncio
import base64
import json
import re
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from playwright.sync_api import Page, expect

from control_api.delivery_log.flow import MOST_COUNTED
from eventstreams.attempts import Entry, encode
from eventstreams.kafka.producer import AckedProducer
from eventstreams.settings import Settings
from eventstreams.times import now_ms
from eventstreams.topics import Topics
from tests.support import forks
from tests.support.plain_receiver import PlainReceiver, running_receiver
from tests.support.up import TOKEN, Up, clean_environ, running_up
from tests.support.watched_page import Accessibility, Screenshots, Watch, fits_in_width

pytestmark = [pytest.mark.browser, pytest.mark.system, pytest.mark.timeout(300)]

SENT: Final = "com.twilio.messaging.message.sent"
OPERATOR_TOKEN: Final = "of-the-operator-of-the-test"
FROZEN_MS: Final = 3_000.0  # on a machine that does everything else beside; 50 ms on one that does not
LOOKS: Final = 2  # the machine may stand still in one of them; a page that freezes does so in each
_LONGEST_FRAME: Final = """() => new Promise((done) => {
  let last = performance.now(), longest = 0, left = 120;
  const look = (now) => {
    longest = Math.max(longest, now - last);
    last = now;
    --left ? requestAnimationFrame(look) : done(longest);
  };
  requestAnimationFrame(look);
})"""
WAIT_S: Final = 120.0
_IN_A_RECORD: Final = 250  # attempts, as workers write them
FIRST_EVENT_S: Final = 120.0  # what is promised to a new subscriber
_EXAMPLE: Final = json.loads((Path(__file__).parents[2] / "examples" / "message-sent.json").read_text())
SCRIPT: Final = "<script>alert('taken')</script><img src=x onerror=alert(2)>"
HARMFUL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]")
ODD: Final = "\u202egnp.exe\u2066 e\u0301\u0302\u0303\u0304\u0305\u0306 \U0001f600 \u200b"


@dataclass
class RunningInstallation:
    """A whole installation with a receiver."""

    up: Up
    receiver: PlainReceiver

    @property
    def url(self) -> str:
        return str(self.up.about["api"])

    @property
    def account_sid(self) -> str:
        return str(self.up.about["account_sid"])

    def subscribe(self, path: str, *, name: str = "", **configuration: object) -> str:
        """A sink whose receiver answers as ``path`` says, and a subscription to it; its SID."""
        events = self.up.client().events.v1
        name = name or f"messages to {path}"
        sink = events.sinks.create(
            description=name,
            sink_type="webhook",
            sink_configuration={"destination": f"{self.receiver.url}{path}", **configuration},
        )
        return str(events.subscriptions.create(description=name, sink_sid=sink.sid, types=[{"type": SENT}]).sid)

    def publish(self, count: int = 1, **attributes: Any) -> list[str]:
        """The ids of events that were accepted."""
        data = {**_EXAMPLE["data"], **attributes.pop("data", {})}
        events = [{**_EXAMPLE, **attributes, "data": data} for _ in range(count)]
        request = urllib.request.Request(
            f"{self.up.about['gateway']}/v1/Events",
            data=orjson.dumps(events),
            headers={"Content-Type": "application/cloudevents-batch+json", "Authorization": self.authorization},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return [str(each) for each in json.load(answer)["ids"]]

    @property
    def authorization(self) -> str:
        return f"Basic {base64.b64encode(f'{self.account_sid}:{TOKEN}'.encode()).decode()}"

    def ask(self, path: str) -> Mapping[str, Any]:
        """What the API answers, and an error too."""
        request = urllib.request.Request(f"{self.url}{path}", headers={"Authorization": self.authorization})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            return dict(json.load(error))

    def command(self, *arguments: str) -> str:
        """What ``eventstreams`` prints for the account; it must succeed."""
        env = {
            **clean_environ(),
            "EVENTSTREAMS_PUBLIC_URL": self.url,
            "EVENTSTREAMS_ACCOUNT_SID": self.account_sid,
            "EVENTSTREAMS_AUTH_TOKEN": TOKEN,
            "EVENTSTREAMS_KAFKA": self.up.about["kafka"],
        }
        command = [str(forks.program()), *arguments]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def until(self, event_id: str, state: str, subscription: str) -> None:
        """Return once the part of ``subscription`` of an event is in ``state``."""
        path = f"/v1/Events/{urllib.parse.quote(event_id, safe='')}"
        deadline = time.monotonic() + WAIT_S
        while state not in [
            each["state"] for each in self.ask(path).get("deliveries", []) if each["subscription_sid"] == subscription
        ]:
            assert time.monotonic() < deadline, json.dumps(self.ask(path))
            time.sleep(0.1)

    def log_attempts(self, subscription: str, sink: str, count: int, *, from_ms: int) -> None:
        """Put ``count`` attempts of the two seconds from ``from_ms`` on where workers do, and the log reads them."""
        settings = Settings.load(kafka=self.up.about["kafka"], replication_factor=1)
        entry = Entry(
            kind="delivered",
            at_ms=from_ms,
            event_id="EZ-of-many",
            event_type=SENT,
            account_sid=self.account_sid,
            subscription_sid=subscription,
            sink_sid=sink,
            sink_type="webhook",
            attempt=1,
            duration_ms=1,
            accepted_ms=from_ms,
            deadline_ms=from_ms + 60_000,
            origin=f"es.sub.webhook.{subscription}/0/0",
        )

        async def produce() -> None:
            async with AckedProducer(settings) as producer:
                for first in range(0, count, _IN_A_RECORD):
                    entries = [
                        entry._replace(at_ms=from_ms + 2_000 * n // count) for n in range(first, first + _IN_A_RECORD)
                    ]
                    await producer.send(Topics(settings).attempts, encode(entries))

        with ThreadPoolExecutor(1) as other:  # this thread's loop is the browser's
            other.submit(asyncio.run, produce()).result()

    def clear(self) -> None:
        """Remove every subscription and sink: the next test has its own."""
        events = self.up.client().events.v1
        for each in (*events.subscriptions.list(), *events.sinks.list()):
            each.delete()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningInstallation]:
    folder, env = tmp_path_factory.mktemp("up") / "data", {"EVENTSTREAMS_OPERATOR_TOKEN": OPERATOR_TOKEN}
    with running_receiver() as receiver, running_up(folder, env=env) as up:
        yield RunningInstallation(up, receiver)


@pytest.fixture
def installation(shared: RunningInstallation) -> Iterator[RunningInstallation]:
    yield shared
    shared.clear()


def sign_in(page: Page, installation: RunningInstallation, sid: str = "", token: str = TOKEN) -> None:
    """As the account of the installation, or as ``sid`` with ``token``."""
    page.goto(f"{installation.url}/console/sign-in")
    page.get_by_label("Account SID or API key SID").fill(sid or installation.account_sid)
    page.get_by_label("Auth token or secret").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


@pytest.fixture
def inside(page: Page, installation: RunningInstallation) -> Page:
    """A page of somebody who has signed in."""
    sign_in(page, installation)
    return page


def test_a_new_subscriber_has_the_first_event_within_two_minutes_by_console_alone(
    page: Page, installation: RunningInstallation, screenshots: Screenshots
) -> None:
    begun = time.monotonic()
    page.goto(f"{installation.url}/console/")
    page.get_by_label("Account SID or API key SID").fill(installation.account_sid)
    screenshots.take(page, "console-sign-in")
    page.get_by_label("Auth token or secret").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()

    page.get_by_role("link", name="Create your first sink").click()
    page.get_by_role("link", name="webhook").click()
    page.get_by_label("Description").fill("our orders")
    page.get_by_label(re.compile("^Destination")).fill(f"{installation.receiver.url}/200")
    screenshots.take(page, "console-new-sink")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="our orders")).to_be_visible()

    page.get_by_role("link", name="Subscribe it to events").click()
    page.get_by_label("Description").fill("messages that were sent")
    page.get_by_label("Search").fill("no such event")
    expect(page.get_by_text("No event type contains all of these words.")).to_be_visible()
    page.get_by_label("Search").fill("message.sent")
    page.get_by_role("checkbox", name=SENT).check()
    expect(page.get_by_text("1 chosen")).to_be_visible()
    screenshots.take(page, "console-new-subscription")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", name="messages that were sent")).to_be_visible()

    page.get_by_role("link", name="Send a sample event").click()
    expect(page.get_by_label("The event, as a CloudEvent in JSON")).to_have_value(re.compile('"messageStatus": "SENT"'))
    screenshots.take(page, "console-send")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("delivered", exact=True).first).to_be_visible()

    assert time.monotonic() - begun < FIRST_EVENT_S
    shown = json.loads(page.get_by_label("The event as JSON").inner_text())
    assert shown["id"] in [each["id"] for each in installation.receiver.events]
    screenshots.take(page, "console-event")


def test_the_same_by_the_command_line_alone(installation: RunningInstallation, tmp_path: Path) -> None:
    begun = time.monotonic()
    run = installation.command
    event_file = tmp_path / "event.json"
    event_file.write_text(json.dumps({**_EXAMPLE, "id": "EZ-by-the-command-line"}))
    destination = f"{installation.receiver.url}/200"

    sink = json.loads(run("sinks", "create", "mine", "--destination", destination, "-o", "json"))["sid"]
    made = json.loads(run("subscriptions", "create", "messages", "--sink", sink, SENT, "-o", "json"))
    run("publish", str(event_file), "--account", installation.account_sid)
    with installation.receiver.arrived:
        arrived = installation.receiver.arrived.wait_for(
            lambda: any(each["id"] == "EZ-by-the-command-line" for each in installation.receiver.events), timeout=WAIT_S
        )
    assert arrived
    assert time.monotonic() - begun < FIRST_EVENT_S
    installation.until("EZ-by-the-command-line", "delivered", made["sid"])
    assert "delivered" in run("events", "where", "EZ-by-the-command-line")


def test_a_sink_is_tried_and_shows_its_answer_and_is_paused(inside: Page, installation: RunningInstallation) -> None:
    installation.subscribe("/400/tried", name="one that refuses")
    inside.get_by_role("link", name="Sinks", exact=True).click()
    inside.get_by_role("link", name="one that refuses").click()
    answer, health = inside.locator("#answer"), inside.get_by_role("region", name="Health")

    inside.get_by_role("button", name="Send a test event").click()
    expect(answer.get_by_text(re.compile("Refused[^.]+HTTP 400"))).to_be_visible()
    expect(answer.get_by_text("<script>alert('answer')</script> no such order")).to_be_visible()
    installation.receiver.answers["/400/tried"] = 200
    inside.get_by_role("button", name="Send a test event").click()
    expect(answer.get_by_text(re.compile("Delivered[^.]+HTTP 200"))).to_be_visible()

    inside.get_by_role("button", name="Pause").click()
    expect(inside.locator("p.said")).to_have_text(re.compile("^Paused: "))
    expect(health.get_by_text("paused", exact=True)).to_be_visible()
    inside.get_by_role("button", name="Resume").click()
    expect(inside.locator("p.said")).to_have_text("Resumed.")
    expect(health.get_by_text("paused", exact=True)).not_to_be_visible()


def test_a_version_is_chosen_by_what_differs_and_a_filter_is_tried_while_it_is_typed(
    inside: Page, installation: RunningInstallation, watch: Watch
) -> None:
    installation.subscribe("/200/filtered", name="one that has all")
    installation.publish()
    inside.get_by_role("link", name="Subscriptions").click()
    inside.get_by_role("link", name="New subscription").click()
    inside.get_by_label("Description").fill("failures alone")
    inside.get_by_label("Search").fill("message.sent")
    inside.get_by_role("checkbox", name=SENT).check()
    inside.get_by_text("Differences between versions").click()
    expect(inside.get_by_text("compared with 1").first).to_be_visible()
    inside.get_by_label("Schema version").select_option("1")

    with watch.expecting("status of 400"):  # of what is no condition yet
        inside.get_by_label("Filter").press_sequentially("data.messageStatus ==")
        expect(inside.locator("#preview").get_by_role("alert")).to_be_visible()
        inside.get_by_label("Filter").press_sequentially(" 'FAILED'")
        expect(inside.get_by_text(re.compile(r"recent events? it takes 0"))).to_be_visible()
    inside.get_by_label("Filter").fill("data.messageStatus == 'SENT'")
    expect(inside.get_by_text(re.compile(r"recent events? it takes [1-9]"))).to_be_visible()
    inside.get_by_role("button", name="Subscribe").click()

    expect(inside.get_by_role("heading", name="failures alone")).to_be_visible()
    expect(inside.get_by_role("row", name=SENT).get_by_role("cell", name="1", exact=True)).to_be_visible()
    expect(inside.get_by_text("data.messageStatus == 'SENT'")).to_be_visible()


def test_a_type_is_found_in_the_catalogue_with_what_its_versions_differ_in(
    inside: Page, installation: RunningInstallation
) -> None:
    installation.subscribe("/200/looked-up")
    inside.get_by_role("link", name="Catalogue").click()
    inside.get_by_label("Search").fill("message sent carrier")
    inside.get_by_role("link", name=SENT).click()
    expect(inside.get_by_text("the newest")).to_be_visible()
    expect(inside.get_by_role("region", name="Fields").get_by_text("messageSid", exact=True)).to_be_visible()
    expect(inside.get_by_text('"messageStatus": "SENT"')).to_be_visible()

    inside.get_by_role("navigation", name="Versions").get_by_role("link", name="2", exact=True).click()

    expect(inside.get_by_role("heading", name="Differences from version 1")).to_be_visible()
    inside.get_by_role("link", name="Subscribe to it").click()
    expect(inside.get_by_role("checkbox", name=SENT)).to_be_checked()


def test_events_arrive_in_the_list_while_somebody_looks_and_are_found_again(
    inside: Page, installation: RunningInstallation, screenshots: Screenshots
) -> None:
    installation.subscribe("/200/listed", name="all that is listed")
    installation.subscribe("/400/listed", name="one that refuses what is listed")
    installation.publish(3)
    inside.get_by_role("link", name="Events", exact=True).click()
    expect(inside.get_by_text(re.compile("events per second|No events in the last"))).to_be_visible()

    [new] = installation.publish()

    row = inside.get_by_role("row").filter(has=inside.get_by_role("link", name=new))
    expect(row.get_by_text("1 delivered")).to_be_visible()
    expect(row.get_by_text("1 dead letter")).to_be_visible()
    screenshots.take(inside, "console-events")
    inside.get_by_role("textbox", name="Event ID").fill(new)
    inside.get_by_role("button", name="Find").click()
    expect(inside.get_by_role("heading", name=f"Event {new}")).to_be_visible()
    inside.goto(
        f"{installation.url}/console/events?type=com.twilio.voice.insights.call-event.gateway&after=2026-01-01T00:00"
    )
    expect(inside.get_by_text("No event matches.")).to_be_visible()
    inside.goto(f"{installation.url}/console/events?type={SENT}&after=2020-01-01T00:00&PageSize=1")
    inside.get_by_role("link", name="Next").click()
    expect(inside.get_by_role("link", name="Previous")).to_be_visible()


def test_dead_letters_are_found_by_their_reason_previewed_and_redriven(
    inside: Page, installation: RunningInstallation, screenshots: Screenshots
) -> None:
    subscription = installation.subscribe("/400/redriven", name="a receiver that refuses")
    ids = installation.publish(3)
    for each in ids:
        installation.until(each, "dead", subscription)
    listed = installation.ask(f"/v1/DeadLetters?SubscriptionSid={subscription}")
    assert [each["reason"] for each in listed["dead_letters"]] == ["refused"] * 3, listed
    inside.goto(f"{installation.url}/console/dead-letters")
    inside.get_by_role("link", name=re.compile("refused")).first.click()
    expect(inside.get_by_role("link", name=ids[0])).to_be_visible()
    inside.get_by_label("Subscription").select_option("a receiver that refuses")
    inside.get_by_role("button", name="Show").click()
    inside.get_by_role("button", name="Preview a redrive of these").click()
    expect(inside.get_by_text("3 of 3 would be redriven")).to_be_visible()
    screenshots.take(inside, "console-dead-letters")
    installation.receiver.answers["/400/redriven"] = 200

    inside.get_by_role("button", name="Redrive", exact=True).click()

    expect(inside.get_by_text("completed")).to_be_visible()
    expect(inside.get_by_text("3 redriven")).to_be_visible()
    expect(inside.get_by_role("link", name="Dead letters").first).to_have_attribute("aria-current", "page")
    expect(inside.get_by_role("link", name=subscription)).to_be_visible()
    screenshots.take(inside, "console-redrive")
    for each in ids:
        installation.until(each, "delivered", subscription)
    inside.goto(f"{installation.url}/console/events/{ids[0]}")
    expect(inside.get_by_text("redriven or replayed")).to_be_visible()


def test_one_dead_letter_is_redriven_from_the_page_of_its_event(
    inside: Page, installation: RunningInstallation
) -> None:
    subscription = installation.subscribe("/400/single", name="one that refuses one")
    [event_id] = installation.publish()
    installation.until(event_id, "dead", subscription)
    installation.receiver.answers["/400/single"] = 200
    inside.goto(f"{installation.url}/console/events/{event_id}")
    delivery = inside.get_by_role("article", name="one that refuses one")
    expect(delivery.get_by_text("dead letter", exact=True)).to_be_visible()

    delivery.get_by_role("button", name="Redrive").click()

    expect(inside.get_by_text("1 redriven")).to_be_visible()
    installation.until(event_id, "delivered", subscription)
    inside.goto(f"{installation.url}/console/events/{event_id}")
    expect(
        inside.get_by_role("article", name="one that refuses one").get_by_text("delivered", exact=True)
    ).to_be_visible()


def test_an_event_that_fails_says_why_and_when_it_is_tried_next(
    inside: Page, installation: RunningInstallation
) -> None:
    subscription = installation.subscribe("/503", name="one that is broken")
    [event_id] = installation.publish()
    installation.until(event_id, "retrying", subscription)

    inside.goto(f"{installation.url}/console/events/{event_id}")

    delivery = inside.get_by_role("article", name="one that is broken")
    expect(delivery.get_by_text("waiting for its next attempt")).to_be_visible()
    expect(delivery.get_by_text("server_error")).to_be_visible()
    expect(delivery.get_by_text(re.compile("^Next attempt .*, until "))).to_be_visible()
    expect(inside.get_by_text("<script>alert('answer')</script> no such order").first).to_be_visible()


def test_the_overview_follows_a_thousand_events_a_second_without_freezing(
    inside: Page, installation: RunningInstallation, screenshots: Screenshots
) -> None:
    installation.subscribe("/200/flow", name="all that flows", batch_events=True)
    installation.subscribe("/400/flow", name="one that refuses all", batch_events=True)
    inside.get_by_role("link", name="Overview").click()

    with flowing(installation, 200):  # 1,000 a second, as fast as they are taken
        figures = inside.locator("#figures [data-accepted]")
        expect(figures).to_have_attribute("data-accepted", re.compile(r"^([5-9]\d|\d{3,})\."))
        expect(figures).to_have_attribute("data-delivered", re.compile(r"^[1-9]"))
        frozen_ms = min(inside.evaluate(_LONGEST_FRAME) for _ in range(LOOKS))
    screenshots.take(inside, "console-overview")

    assert frozen_ms < FROZEN_MS
    expect(inside.locator("svg.flow").get_by_text("messaging")).to_be_visible()
    for column in ("Products", "Subscriptions", "Sinks"):
        expect(inside.locator("svg.flow").get_by_text(column, exact=True)).to_be_visible()
    inside.get_by_text("As a table").click()
    expect(inside.get_by_role("cell", name="all that flows")).to_be_visible()


def test_the_overview_says_so_where_there_is_more_than_it_counts(
    inside: Page, installation: RunningInstallation
) -> None:
    subscription = installation.subscribe("/200/sampled", name="one that gets too much to count")
    sink = installation.ask(f"/v1/Subscriptions/{subscription}")["sink_sid"]
    inside.get_by_role("link", name="Overview").click()
    expect(inside.get_by_text("Delivered per second", exact=True)).to_be_visible()
    expect(inside.get_by_text("Sampled")).not_to_be_visible()

    installation.log_attempts(
        subscription, sink, MOST_COUNTED + 2_000, from_ms=now_ms() + 10_000
    )  # the log has time to read

    expect(inside.get_by_text(re.compile(r"Sampled: .* these rates cover the last \d\.\d seconds"))).to_be_visible()
    expect(inside.locator("#figures [data-delivered]")).to_have_attribute("data-delivered", re.compile(r"^\d{4,}\."))


_HEARD: Final = """() => {
  const heard = document.body.dataset;
  heard.exchanged = heard.held = 0;
  document.addEventListener("htmx:sseMessage", (event) => { if (event.detail.type === "table") heard.exchanged++; });
  document.addEventListener("htmx:sseBeforeMessage", (event) => queueMicrotask(() => {
    if (event.defaultPrevented && event.detail.type === "flow") heard.held++;
  }));
}"""
_TWICE: Final = re.compile(r"^([2-9]|\d\d+)$")


@contextmanager
def flowing(installation: RunningInstallation, count: int = 1) -> Iterator[None]:
    """``count`` events every fifth of a second meanwhile, so that each look at what flows finds something new."""
    ended = threading.Event()

    def publish() -> None:
        while not ended.wait(0.2):
            installation.publish(count)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_what_is_exchanged_takes_away_neither_the_keyboards_place_nor_a_click(
    inside: Page, installation: RunningInstallation
) -> None:
    installation.subscribe("/200/exchanged", name="one that flows")
    with flowing(installation):
        inside.get_by_role("link", name="Overview").click()
        inside.get_by_text("As a table").click()
        row = inside.get_by_role("cell", name="one that flows").get_by_role("link")
        row.focus()
        inside.evaluate(_HEARD)
        expect(inside.locator("body")).to_have_attribute("data-exchanged", _TWICE)
        expect(inside.get_by_role("cell", name="one that flows").get_by_role("link")).to_be_focused()

        box = inside.locator("svg.flow").get_by_role("link", name="one that flows").first
        box.hover()
        inside.mouse.down(button="right")  # of which a page may never hear the end: its menu gets it
        inside.evaluate(_HEARD)
        expect(inside.locator("body")).to_have_attribute("data-exchanged", _TWICE)
        inside.mouse.up(button="right")

        box.hover()
        inside.mouse.down()
        expect(inside.locator("body")).to_have_attribute("data-held", _TWICE)
        inside.mouse.up()

        expect(inside.get_by_role("heading", name="one that flows")).to_be_visible()


def test_the_overview_says_what_waits_once_it_knows_and_has_its_table_open_on_a_phone(
    phone: Page, installation: RunningInstallation
) -> None:
    installation.subscribe("/200/phone", name="on a phone")
    sign_in(phone, installation)

    expect(phone.get_by_role("cell", name="on a phone")).to_be_visible()
    waiting = phone.locator("#figures div").filter(has_text="Waiting for their first attempt")
    expect(waiting.get_by_role("definition")).to_have_text("0")


def test_dead_letters_are_chosen_by_time_and_say_what_their_reason_means(
    inside: Page, installation: RunningInstallation
) -> None:
    subscription = installation.subscribe("/400/chosen", name="one that refuses")
    [event_id] = installation.publish()
    installation.until(event_id, "dead", subscription)
    inside.goto(f"{installation.url}/console/dead-letters")
    expect(inside.get_by_role("option", name="refused: the sink refused it")).to_be_attached()

    # What other tests leave behind dies meanwhile, and may be newer.
    inside.get_by_label("Subscription").select_option(label="one that refuses")
    inside.get_by_label("Died since (UTC)").fill("2020-01-01T00:00:00")
    inside.get_by_role("button", name="Show").click()
    expect(inside).to_have_url(re.compile("2020-01-01"))  # else what is filled in next goes with the page
    expect(inside.get_by_label("Died since (UTC)")).to_have_value(re.compile("^2020-01-01T00:00"))
    expect(inside.get_by_role("link", name="one that refuses")).to_be_visible()
    inside.get_by_label("Died since (UTC)").fill("2100-01-01T00:00:00")
    inside.get_by_role("button", name="Show").click()
    expect(inside.get_by_text("No dead letter matches.")).to_be_visible()
    inside.goto(f"{installation.url}/console/dead-letters?SubscriptionSid={subscription}")
    inside.get_by_role("link", name=event_id).click()
    expect(inside.get_by_text("the sink refused it permanently")).to_be_visible()


PAGES: Final = (
    *("overview", "sinks", "sinks/new", "sinks/new/webhook", "subscriptions", "subscriptions/new"),
    *("events", "events/{event}", "events/{event}/json", "dead-letters", "dead-letters/{letter}", "redrives"),
    *("redrives/{redrive}", "catalogue", f"catalogue/{SENT}", f"send?type={SENT}", "account", "account/writes"),
    *("sinks/{sink}", "sinks/{sink}/edit", "sinks/{sink}/signing", "sinks/{sink}/delete"),
    *("subscriptions/{subscription}", "subscriptions/{subscription}/edit", "subscriptions/{subscription}/delete"),
    *("subscriptions/{subscription}/types", f"subscriptions/{{subscription}}/types/{SENT}"),
)


def one_of_each(installation: RunningInstallation) -> Mapping[str, str]:
    """One thing of each kind, for the paths of ``PAGES``."""
    subscription = installation.subscribe("/400/everywhere", name="one of each")
    [event] = installation.publish()
    installation.until(event, "dead", subscription)
    sink = installation.ask(f"/v1/Subscriptions/{subscription}")["sink_sid"]
    [letter] = installation.ask(f"/v1/DeadLetters?SubscriptionSid={subscription}")["dead_letters"]
    request = urllib.request.Request(
        f"{installation.url}/v1/Redrives",
        data=f"DeadLetterId={letter['id']}".encode(),
        headers={"Authorization": installation.authorization},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        redrive = json.load(answer)["sid"]
    return {"subscription": subscription, "event": event, "sink": sink, "letter": letter["id"], "redrive": redrive}


def test_every_page_is_usable_by_everybody_in_light_and_dark_and_on_a_phone(
    phone: Page, installation: RunningInstallation, accessibility: Accessibility, screenshots: Screenshots
) -> None:
    names = one_of_each(installation)
    phone.goto(f"{installation.url}/console/sign-in")
    accessibility.check(phone)
    sign_in(phone, installation)

    for path in PAGES:
        phone.goto(f"{installation.url}/console/{path.format(**names)}")
        expect(phone.get_by_role("heading", level=1)).to_be_visible()
        accessibility.check(phone)
        assert fits_in_width(phone), path
        if path == "overview":
            screenshots.take(phone, "console-phone")


def test_the_operator_makes_an_account_whose_owner_makes_a_key(
    phone: Page, installation: RunningInstallation, accessibility: Accessibility
) -> None:
    sign_in(phone, installation, "operator", OPERATOR_TOKEN)
    expect(phone.get_by_role("heading", name="Accounts", exact=True)).to_be_visible()
    accessibility.check(phone)
    phone.get_by_label("Name").fill("Acme")
    phone.get_by_role("button", name="Create", exact=True).click()
    expect(phone.get_by_role("heading", name="Acme")).to_be_visible()
    sid, token = (phone.locator("main code").nth(number).inner_text() for number in (0, 1))
    accessibility.check(phone)
    assert fits_in_width(phone)
    phone.get_by_role("button", name="Sign out").click()

    sign_in(phone, installation, sid, token)
    phone.get_by_role("link", name="Account", exact=True).click()
    phone.get_by_label("Name of a new key").fill("products")
    phone.get_by_label("Scope").select_option("publish")
    phone.get_by_role("button", name="Create a key").click()

    expect(phone.get_by_text("Secret of key SK")).to_be_visible()
    expect(phone.get_by_text("it is not shown again")).to_be_visible()
    expect(phone.get_by_role("cell", name="POST /v1/Keys")).to_be_visible()
    accessibility.check(phone)
    assert fits_in_width(phone)


def test_an_event_is_found_with_the_keyboard_alone(page: Page, installation: RunningInstallation) -> None:
    subscription = installation.subscribe("/200")
    [event_id] = installation.publish()
    installation.until(event_id, "delivered", subscription)
    page.goto(f"{installation.url}/console/sign-in")

    def go_to(name: str) -> None:
        """Tab until the focus is there."""
        for _ in range(40):
            page.keyboard.press("Tab")
            focused = page.evaluate("document.activeElement.labels?.[0]?.innerText || document.activeElement.innerText")
            if str(focused).startswith(name):
                return
        raise AssertionError(f"{name} is not reached")

    go_to("Account SID")
    page.keyboard.type(installation.account_sid)
    page.keyboard.press("Tab")
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    go_to("Events")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Events")).to_be_visible()
    go_to("Skip to content")
    page.keyboard.press("Enter")
    go_to("Event ID")
    page.keyboard.type(event_id)
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name=event_id)).to_be_visible()


def test_a_hostile_event_is_only_text_on_every_page_and_in_a_terminal(
    inside: Page, installation: RunningInstallation, watch: Watch
) -> None:
    hostile = f"EZ{SCRIPT}{ODD}"
    subscription = installation.subscribe("/400/hostile", name=f"{SCRIPT}{ODD}")
    data = {"from": f"{SCRIPT}{ODD}\0\x1b[31m\a", "to": "x" * 1_000_000, "messageSid": f"{SCRIPT}"}
    [event_id] = installation.publish(
        id=hostile, source=f"/{SCRIPT.replace(' ', '')}", subject=f"{SCRIPT}{ODD}", data=data
    )
    quoted = urllib.parse.quote(event_id, safe="")
    installation.until(event_id, "dead", subscription)
    [letter] = installation.ask(f"/v1/DeadLetters?SubscriptionSid={subscription}")["dead_letters"]
    sink = installation.ask(f"/v1/Subscriptions/{subscription}")["sink_sid"]

    inside.goto(f"{installation.url}/console/events")
    inside.get_by_role("link", name="<script>").first.click()
    expect(inside.get_by_role("heading", level=1)).to_contain_text("<script>alert('taken')</script>")
    expect(inside.get_by_role("heading", level=1)).to_contain_text(r"\u202egnp.exe")
    expect(inside.get_by_label("The event as JSON")).to_contain_text(r"\u202egnp.exe")
    expect(inside.get_by_text("are not shown here")).to_be_visible()
    for path in (
        *("overview", "sinks", "subscriptions", "dead-letters", f"dead-letters/{letter['id']}", "events"),
        *(f"events/{quoted}/json?subscription={subscription}", f"sinks/{sink}", f"subscriptions/{subscription}"),
        *(f"events/{quoted}", f"subscriptions/new?sink={sink}"),
    ):
        inside.goto(f"{installation.url}/console/{path}")
        inside.wait_for_load_state()
        expect(inside.get_by_role("heading", level=1)).to_be_visible()
        assert inside.locator("main script, main img").count() == 0
        assert "\u202e" not in inside.locator("main").inner_text(), path
        assert "taken" not in inside.title() or "<script>" in inside.title()

    assert watch.problems == []
    for arguments in (
        *(("events", "where", event_id), ("tail", "--event", event_id, "--count", "1"), ("dead-letters", "list")),
        ("dead-letters", "show", letter["id"]),
    ):
        said = installation.command(*arguments)
        assert "<script>" in said, arguments
        assert HARMFUL.search(said) is None, arguments
