"""What becomes of each code block of the documentation.

A test executes it (``EXECUTED``), or it is checked by its kind (``unexecuted`` says why that is all), or a comment
right above says why neither can be: ``<!-- not run: it is what a command printed -->``. Of YAML a comment says what it
is a part of: ``<!-- checked as: values of the chart -->``; of JSON it may say which object of the API it is.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.support.page import Block, blocks_of
from tests.support.shell import commands_of
from tests.support.snippet_kinds import CHECKED_AS, CHECKS, PARTS, ROOT, answers

PAGES: Final = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_NOT_RUN: Final = "not run: "


@dataclass(frozen=True, slots=True)
class Executed:
    """The blocks of a page that a test executes: those of ``language`` with ``words`` in them."""

    page: str
    language: str
    test: str
    words: str = ""

    def takes(self, block: Block) -> bool:
        return block.page == ROOT / self.page and block.language == self.language and self.words in block.text


_PAGES: Final = "tests/system/test_docs_pages.py"
LIVE: Final = f"{_PAGES}::test_the_commands_of_a_page_run_as_they_stand"
"""Which blocks of a page it runs stands here alone."""
_README: Final = "tests/system/test_readme.py"
_BROUGHT: Final = f"{_README}::test_what_the_readme_says_brings_events_to_the_receiver"
_STARTED: Final = f"{_README}::test_who_starts_as_the_docs_say_receives_an_event"
_ADDING: Final = "docs/adding-an-event-type.md"
_STORY: Final = "tests/unit/test_docs_stories.py::test_the_story_of_the_page_is_told_and_its_events_fit_their_schema"
_WRITING: Final = "docs/writing-a-sink.md"
_SHOWN: Final = "tests/unit/test_docs_writing_a_sink.py::test_a_block_of_code_is_the_file_that_is_named_above_it"
_WEBHOOK: Final = "docs/sinks/webhook.md"
_SIGNED: Final = "tests/unit/test_webhook_docs.py::test_the_code_for"
_OWN_TYPE: Final = "tests/unit/test_deploy_files.py::test_a_type_of_one_s_own_takes_no_more_than_what_the_page_says"
EXECUTED: Final[Sequence[Executed]] = (
    Executed("docs/api.md", "sh", LIVE),
    Executed("docs/api.md", "json", LIVE),
    Executed("docs/accounts.md", "json", f"{_PAGES}::test_what_the_page_about_accounts_shows_is_on_the_trail"),
    Executed("docs/errors.md", "json", f"{_PAGES}::test_what_the_page_about_errors_shows_is_what_a_refusal_looks_like"),
    Executed(_ADDING, "sh", LIVE, "catalog check"),
    Executed(_ADDING, "sh", LIVE, "generate-producers"),
    Executed(_ADDING, "python", LIVE, "logistics.ParcelDelivered("),
    Executed(_ADDING, "sh", LIVE, "curl"),
    Executed("docs/backup.md", "sh", LIVE, "date"),
    Executed("docs/commands.md", "sh", LIVE, "completion fish"),
    Executed("docs/commands.md", "sh", LIVE, "control export"),
    Executed("docs/commands.md", "sh", LIVE, "dead-letter"),
    Executed("docs/commands.md", "sh", LIVE, "events where"),
    Executed("docs/commands.md", "sh", LIVE, "profiles add"),
    Executed("docs/commands.md", "sh", LIVE, "sinks create"),
    Executed("docs/commands.md", "sh", LIVE, "sizing"),
    Executed("docs/commands.md", "sh", LIVE, "subscriptions create"),
    Executed("docs/commands.md", "sh", LIVE, "eventstreams tail"),
    Executed("docs/control-plane.md", "sh", LIVE, "Idempotency-Key"),
    Executed("docs/dead-letters.md", "sh", LIVE, "api="),
    Executed("docs/dead-letters.md", "sh", LIVE, "curl"),
    Executed("docs/dead-letters.md", "sh", LIVE, "eventstreams"),
    Executed("docs/dead-letters.md", "json", LIVE),
    Executed("docs/delivery-log.md", "sh", LIVE, "curl"),
    Executed("docs/delivery-log.md", "json", LIVE),
    Executed("docs/doctor.md", "sh", LIVE),
    Executed("docs/doctor.md", "", LIVE),
    Executed("docs/failure-notices.md", "sh", LIVE),
    Executed("docs/filters.md", "sh", LIVE),
    Executed("docs/filters.md", "json", LIVE, "verdicts"),
    Executed("docs/partition-budget.md", "sh", LIVE, "orphans list"),
    Executed("docs/publishing.md", "sh", LIVE),
    Executed("docs/sink-health.md", "sh", LIVE),
    Executed("docs/sink-health.md", "json", LIVE),
    Executed("docs/sizing.md", "sh", LIVE),
    Executed("docs/slow-and-failing-sinks.md", "sh", LIVE),
    *(
        Executed(f"docs/sinks/{sink_type}.md", "sh", LIVE, "/v1/Sinks")
        for sink_type in ("amqp", "kafka", "kinesis", "s3", "segment", "sqs", "webhook")
    ),
    Executed("docs/deploying-with-compose.md", "yaml", _OWN_TYPE, "worker-own"),
    Executed("README.md", "sh", "tests/system/test_demo.py::test_it_ends_with_a_sum_that_adds_up", "make demo"),
    Executed("README.md", "python", _BROUGHT),
    Executed("README.md", "", f"{_README}::test_up_says_what_the_readme_shows_of_it", "Account SID"),
    Executed("README.md", "sh", _BROUGHT, "/v1/Sinks"),
    Executed("README.md", "sh", _BROUGHT, "eventstreams publish"),
    Executed("docs/start.md", "", _STARTED),
    Executed("docs/start.md", "sh", _STARTED, "eventstreams listen"),
    Executed("docs/start.md", "sh", _STARTED, "eventstreams publish"),
    Executed("docs/start.md", "sh", _STARTED, "eventstreams tail"),
    Executed("docs/api.md", "python", f"{_README}::test_the_python_about_the_api_subscribes_a_sink"),
    Executed("docs/accounts.md", "sh", "tests/kafka/test_docs_accounts.py::test_its_commands_run_as_they_stand"),
    Executed("docs/accounts.md", "python", "tests/kafka/test_docs_accounts.py::test_its_python_runs_as_it_stands"),
    Executed(_ADDING, "yaml", _STORY),
    Executed(_ADDING, "json", _STORY),
    Executed(_ADDING, "python", _STORY, "SimulatedProduct"),
    Executed(_ADDING, "sh", f"{_README}::test_the_event_type_of_the_docs_can_be_published", "eventstreams publish"),
    Executed("docs/command-line.md", "sh", "tests/kafka/test_command_line.py::test_its_commands_run_as_they_stand"),
    Executed(
        "docs/filters.md",
        "json",
        "tests/unit/test_docs_filters.py::test_an_example_answers_as_the_page_says",
        "messageSid",
    ),
    Executed(
        "docs/kafka.md",
        "sh",
        "tests/kafka/test_kafka_security.py::test_with_a_password_events_are_routed_and_delivered",
    ),
    Executed(
        "docs/publishing.md",
        "python",
        "tests/kafka/test_docs_publishing.py::test_the_python_of_the_page_publishes_what_can_be_read",
    ),
    Executed(
        "docs/python-client.md", "python", "tests/kafka/test_client.py::test_the_examples_in_docs_run_as_they_stand"
    ),
    Executed(
        "docs/sinks/email.md",
        "yaml",
        "tests/unit/test_deploy_files.py::test_the_page_s_file_that_mounts_a_mail_authority_fits_compose",
        "services:",
    ),
    Executed(
        "docs/sinks/email.md",
        "yaml",
        "tests/unit/test_helm_chart.py::test_the_page_about_email_has_the_values_that_are_checked_here",
        "EVENTSTREAMS_SMTP_URL",
    ),
    Executed(
        "docs/sinks/email.md",
        "yaml",
        "tests/unit/test_helm_chart_mail.py::test_a_mail_server_in_the_cluster_is_reached_as_the_page_says",
        "podSelector",
    ),
    Executed(
        "docs/sinks/segment.md",
        "json",
        "tests/unit/test_sink_docs.py::test_the_mapping_of_the_page_is_that_of_the_code",
    ),
    Executed(_WEBHOOK, "json", f"{_PAGES}::test_what_the_page_about_webhooks_shows_of_the_secret_is_what_the_api_says"),
    Executed(_WEBHOOK, "http", f"{_PAGES}::test_a_delivery_has_the_form_that_the_page_about_webhooks_shows"),
    Executed(_WEBHOOK, "python", f"{_SIGNED}_the_reference_s_signature_works", "RequestValidator"),
    Executed(_WEBHOOK, "python", f"{_SIGNED}_standard_webhooks_works", "WebhookVerificationError"),
    Executed(_WEBHOOK, "python", f"{_SIGNED}_ed25519_works", "Ed25519PublicKey"),
    Executed(_WRITING, "sh", "tests/system/test_writing_a_sink.py::test_its_reader_ends_with_events_as_jobs"),
    Executed(_WRITING, "python", _SHOWN),
    Executed(_WRITING, "toml", _SHOWN),
    Executed(_WRITING, "", "tests/unit/test_docs_writing_a_sink.py::test_the_tree_is_that_of_the_files_that_are_shown"),
)


class Fate(StrEnum):
    """What becomes of a block."""

    EXECUTED = "executed"
    CHECKED = "checked"
    MARKED = "marked"


def blocks() -> Sequence[Block]:
    """Every block of every page."""
    return [block for page in PAGES for block in blocks_of(page)]


def fate_of(block: Block) -> Fate | None:
    """None: nothing says whether it is right, so that it may not stand there."""
    if any(each.takes(block) for each in EXECUTED):
        return Fate.EXECUTED
    if block.noted(_NOT_RUN):
        return Fate.MARKED
    return Fate.CHECKED if block.language in CHECKS and _has_a_schema(block) else None


def _has_a_schema(block: Block) -> bool:
    """Of YAML it must be said what it is a part of; of JSON it may be, where it is an answer of the API."""
    kind = block.noted(CHECKED_AS)
    match block.language:
        case "yaml":
            return kind in PARTS
        case "json":
            return not kind or kind in answers()["schemas"]
        case _:
            return not kind


def wrong_with(block: Block) -> Sequence[str]:
    """What is wrong with it by its kind alone; a block that a test executes is looked at as well."""
    if fate_of(block) is Fate.MARKED or block.language not in CHECKS:
        return []
    return list(CHECKS[block.language](block))


def queries() -> Iterator[str]:
    """Every expression for Prometheus: after ``query=``, and in the triggers of an autoscaler."""
    for block in blocks():
        if block.language == "sh":
            for words in commands_of(block.text):
                yield from (word.removeprefix("query=") for word in words if word.startswith("query="))
        elif block.language == "yaml":
            yield from re.findall(r"^\s*query: (.*)$", block.text, re.MULTILINE)
