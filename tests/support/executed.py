"""Which code blocks of the documentation a test executes, and which test.

Most run with ``make test``. Those of ``tests/docker`` and ``tests/cluster`` run where there is a Docker Engine or a
cluster (``make test-compose``, ``make test-cluster``), and those that take minutes with ``make proof``. A test that
runs a command with other sizes than on the page (how many events, how fast, how long) says which.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.support.page import Block
from tests.support.snippet_kinds import ROOT


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
"""Only this list decides which blocks of a page it runs."""
_README: Final = "tests/system/test_readme.py"
_BROUGHT: Final = f"{_README}::test_what_the_readme_says_brings_events_to_the_receiver"
_STARTED: Final = f"{_README}::test_who_starts_as_the_docs_say_receives_an_event"
_ADDING: Final = "docs/adding-an-event-type.md"
_STORY: Final = "tests/unit/test_docs_stories.py::test_the_story_of_the_page_is_told_and_its_events_fit_their_schema"
_WRITING: Final = "docs/writing-a-sink.md"
_SHOWN: Final = "tests/unit/test_docs_writing_a_sink.py::test_a_block_of_code_is_the_file_that_is_named_above_it"
_WEBHOOK: Final = "docs/sinks/webhook.md"
_SIGNED: Final = "tests/unit/test_webhook_docs.py::test_the_code_for"
_NOTICES: Final = "tests/kafka/test_notices.py::test_the"
_ORPHANS: Final = "tests/kafka/test_orphaned_topics.py::test_the"
_REGISTRY: Final = "tests/kafka/test_schema_registry.py::test"
_VERIFY: Final = "tests/system/test_verify"
_COMPOSE: Final = "docs/deploying-with-compose.md"
_ENGINE: Final = "tests/docker/test_compose.py::test"
_HELM: Final = "docs/deploying-with-helm.md"
_KUBERNETES: Final = "tests/cluster/test_chart.py::test"
_DEPLOYING: Final = "tests/unit/test_docs_deploying.py::test_the"
_VALUES: Final = (
    "tests/unit/test_docs_deploying.py::test_what_the_chart_makes_of_a_page_s_values_is_valid_and_what_they_ask_for"
)
_NEW_ENV: Final = "tests/unit/test_deploy_files.py::test_new_secrets_are_ones_that_roles_take_and_nobody_else_has"
_POSTGRESQL: Final = "tests/unit/test_delivery_log_postgresql.py::test_the_setting"
_OWN_TYPE: Final = "tests/unit/test_deploy_files.py::test_a_type_of_one_s_own_takes_no_more_than_what_the_page_says"
EXECUTED: Final[Sequence[Executed]] = (
    Executed("CONTRIBUTING.md", "sh", "tests/unit/test_ci.py::test_ci_types_what_contributing_md_shows"),
    Executed("docs/api.md", "sh", LIVE),
    Executed("docs/api.md", "json", LIVE),
    Executed("docs/accounts.md", "json", f"{_PAGES}::test_what_the_page_about_accounts_shows_is_on_the_trail"),
    Executed("docs/errors.md", "json", f"{_PAGES}::test_what_the_page_about_errors_shows_is_what_a_refusal_looks_like"),
    Executed(_ADDING, "sh", LIVE, "catalog check"),
    Executed(_ADDING, "sh", LIVE, "generate-producers"),
    Executed(_ADDING, "python", LIVE, "logistics.ParcelDelivered("),
    Executed(_ADDING, "sh", LIVE, "curl"),
    Executed("docs/backup.md", "sh", LIVE, "control export"),
    Executed("docs/commands.md", "sh", LIVE, "accounts create"),
    Executed("docs/commands.md", "sh", LIVE, "completion fish"),
    Executed("docs/commands.md", "sh", LIVE, "control export"),
    Executed("docs/commands.md", "sh", LIVE, "control import"),
    Executed("docs/commands.md", "sh", LIVE, "dead-letter"),
    Executed("docs/commands.md", "sh", LIVE, "events replay"),
    Executed("docs/commands.md", "sh", LIVE, "events where"),
    Executed("docs/commands.md", "sh", LIVE, "eventstreams listen"),
    Executed("docs/commands.md", "sh", LIVE, "keys create"),
    Executed("docs/commands.md", "sh", LIVE, "profiles add"),
    Executed("docs/commands.md", "sh", LIVE, "eventstreams publish"),
    Executed("docs/commands.md", "sh", LIVE, "eventstreams sample"),
    Executed("docs/commands.md", "sh", LIVE, "eventstreams simulate --rate"),
    Executed("docs/commands.md", "sh", LIVE, "sinks create"),
    Executed("docs/commands.md", "sh", LIVE, "sizing"),
    Executed("docs/commands.md", "sh", LIVE, "subscriptions create"),
    Executed("docs/commands.md", "sh", LIVE, "eventstreams tail"),
    Executed("docs/commands.md", "sh", LIVE, "types show"),
    Executed("docs/control-plane.md", "sh", LIVE, "Idempotency-Key"),
    Executed("docs/control-plane.md", "sh", LIVE, "eventstreams api"),
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
    *(
        Executed(f"docs/runbooks/{alert}.md", "sh", LIVE)
        for alert in (
            *("api-fails", "broker-unreachable", "dead-letters", "delivery-log", "disk", "events-age"),
            *("late-deliveries", "no-primary", "not-ready", "plugin-faults", "rebalances", "retries-overdue"),
            *("router-stuck", "settlement-fails", "sink-type-fails", "workers-stuck"),
        )
    ),
    Executed("docs/sink-health.md", "sh", LIVE),
    Executed("docs/sink-health.md", "json", LIVE),
    Executed("docs/sizing.md", "sh", LIVE),
    Executed("docs/slow-and-failing-sinks.md", "sh", LIVE),
    *(
        Executed(f"docs/sinks/{sink_type}.md", "sh", LIVE, "/v1/Sinks")
        for sink_type in ("amqp", "kafka", "kinesis", "s3", "segment", "sqs", "webhook")
    ),
    *(
        Executed(f"docs/sinks/{sink_type}.md", "sh", LIVE, "pip install")
        for sink_type in ("amqp", "email", "kinesis", "s3", "sqs")
    ),
    Executed("docs/tracing.md", "sh", LIVE),
    Executed(_COMPOSE, "yaml", _OWN_TYPE, "worker-own"),
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
    Executed(_ADDING, "toml", _STORY),
    Executed(_ADDING, "sh", _STORY, "simulate"),
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
    Executed("README.md", "", "tests/system/test_demo.py::test_it_ends_with_a_sum_that_adds_up", "It adds up"),
    Executed(
        "docs/delivery-log.md", "sh", f"{_POSTGRESQL}_that_docs_delivery_log_md_shows_names_a_database", "postgres"
    ),
    Executed(_COMPOSE, "sh", _NEW_ENV, "# without --try"),
    Executed(_HELM, "yaml", _VALUES),
    Executed("docs/tracing.md", "yaml", _VALUES),
    Executed(
        "docs/monitoring.md",
        "yaml",
        f"{_DEPLOYING}_trigger_that_docs_monitoring_md_shows_is_that_of_the_chart_for_one_release",
    ),
    Executed(
        "docs/rolling-restarts.md",
        "yaml",
        _VALUES,
        "statefulSet",
    ),
    Executed(
        "docs/rolling-restarts.md",
        "yaml",
        f"{_DEPLOYING}_environment_that_docs_rolling_restarts_md_shows_is_one_of_a_container_and_of_a_role",
        "fieldPath",
    ),
    Executed(
        "docs/rolling-restarts.md",
        "yaml",
        f"{_DEPLOYING}_routers_with_names_that_docs_rolling_restarts_md_shows_fit_compose",
        "router-1",
    ),
    Executed(
        "docs/performance.md",
        "python",
        "tests/unit/test_benchmarks.py::test_what_performance_md_says_of_the_collector_runs",
    ),
    Executed(
        "docs/sinks/kinesis.md",
        "json",
        "tests/unit/test_kinesis.py::test_the_record_that_docs_sinks_kinesis_md_shows_is_one",
        "specversion",
    ),
    Executed(
        "docs/sinks/s3.md", "", "tests/unit/test_s3.py::test_the_name_that_docs_sinks_s3_md_shows_is_that_of_an_object"
    ),
    Executed(
        "docs/failure-notices.md", "json", f"{_NOTICES}_first_error_of_a_sink_and_the_tenth_are_told_to_who_subscribes"
    ),
    Executed("docs/kafka.md", "", "tests/kafka/test_kafka_security.py::test_a_wrong_password_is_said"),
    Executed(
        "docs/partition-budget.md",
        "sh",
        f"{_ORPHANS}_operator_sees_whose_each_topic_is_and_removes_what_is_nobodys",
        "orphans remove",
    ),
    Executed(
        "docs/reading-from-kafka.md",
        "sh",
        f"{_REGISTRY}_the_whole_catalogue_is_registered_with_its_own_version_numbers_and_again_nothing_changes",
        "catalog register",
    ),
    Executed(
        "docs/reading-from-kafka.md",
        "sh",
        f"{_REGISTRY}_events_are_read_from_outside_with_the_schemas_of_the_registry",
        "consumer.py",
    ),
    Executed(
        "docs/sinks/email.md",
        "sh",
        "tests/kafka/test_email_worker.py::test_the_commands_of_docs_sinks_email_md_run_as_they_stand",
        "$API",
    ),
    *(
        Executed(
            f"docs/sinks/{sink_type}.md",
            "json",
            "tests/kafka/test_kinesis_worker.py::test_iam_takes_the_policies_of_the_pages_in_docs_sinks",
            "2012-10-17",
        )
        for sink_type in ("kinesis", "s3", "sqs")
    ),
    Executed(
        "docs/sinks/s3.md",
        "sh",
        "tests/kafka/test_s3_worker.py::test_an_archive_is_listed_exported_and_replayed_to_one_subscription",
        "archive list",
    ),
    Executed("README.md", "sh", _STARTED, "eventstreams up"),
    Executed("README.md", "sh", _BROUGHT, "receiver.py"),
    Executed("README.md", "sh", _STARTED, "eventstreams listen"),
    Executed("docs/start.md", "sh", _STARTED, "eventstreams up"),
    Executed(
        "docs/verify.md",
        "sh",
        f"{_VERIFY}.py::test_it_runs_as_docs_verify_md_says_and_prints_what_the_page_shows",
        "--api",
    ),
    Executed("docs/verify.md", "", f"{_VERIFY}.py::test_it_runs_as_docs_verify_md_says_and_prints_what_the_page_shows"),
    Executed("docs/verify.md", "sh", f"{_VERIFY}_full.py::test_it_holds_as_it_comes", "--rate 1500"),
    Executed("docs/verify.md", "sh", f"{_VERIFY}_soak.py::test_twenty_minutes_of_the_hour_hold", "--soak"),
    Executed(
        "docs/commands.md",
        "sh",
        "tests/unit/test_docs_verify.py::test_each_example_of_the_help_stands_on_a_page_whose_test_types_it",
        "eventstreams verify",
    ),
    Executed("docs/faults.md", "sh", f"{_VERIFY}_faults.py::test_the_whole_nemesis_loses_no_event"),
    Executed(
        "docs/rolling-restarts.md",
        "sh",
        f"{_VERIFY}_rolling.py::test_every_process_is_replaced_under_load_and_no_event_is_lost_and_no_call_fails",
    ),
    Executed(
        _COMPOSE, "sh", f"{_ENGINE}_events_are_delivered_and_nothing_is_left_behind", "docker compose run --rm smoke"
    ),
    Executed(_COMPOSE, "", f"{_ENGINE}_events_are_delivered_and_nothing_is_left_behind"),
    Executed(
        _COMPOSE,
        "sh",
        f"{_ENGINE}_events_are_delivered_where_kafka_wants_tls_and_a_user_also_by_more_of_a_role",
        "--scale",
    ),
    Executed(
        _COMPOSE,
        "sh",
        f"{_ENGINE}_events_are_delivered_where_kafka_wants_tls_and_a_user_also_by_more_of_a_role",
        "new-certificates.sh",
    ),
    Executed(
        _COMPOSE,
        "sh",
        f"{_ENGINE}_with_a_kafka_of_your_own_there_is_no_broker_and_its_address_must_be_said",
        "external-kafka",
    ),
    Executed(
        _COMPOSE, "sh", f"{_ENGINE}_a_worker_of_a_type_of_one_s_own_delivers_and_is_scraped", "EVENTSTREAMS_PLUGINS="
    ),
    Executed(
        _COMPOSE, "sh", "tests/docker/test_image.py::test_its_labels_say_what_it_was_built_from", "--tag eventstreams "
    ),
    Executed(
        _HELM,
        "sh",
        "tests/docker/test_image.py::test_it_is_built_for_a_registry_as_docs_deploying_with_helm_md_says",
        "docker build",
    ),
    Executed(_HELM, "sh", f"{_KUBERNETES}_every_role_has_live_pods", "kubectl create namespace"),
    Executed(_HELM, "sh", f"{_KUBERNETES}_helm_test_follows_an_event", "helm --namespace events install"),
    Executed(
        _HELM,
        "sh",
        f"{_KUBERNETES}_an_upgrade_a_rollback_and_pods_deleted_or_evicted_under_load_lose_no_event",
        "upgrade events",
    ),
    Executed(
        "docs/runbooks/README.md",
        "sh",
        f"{_KUBERNETES}_what_the_runbooks_readme_md_types_looks_at_a_release",
        "kubectl",
    ),
    Executed(
        _HELM,
        "sh",
        f"{_KUBERNETES}_an_installation_that_is_removed_leaves_nothing_but_the_log_of_its_test",
        "uninstall events",
    ),
)
