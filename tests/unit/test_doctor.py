"""What the doctor makes of Kafka's facts, and of what is wrong before Kafka is asked."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from eventstreams.doctor.examine import examine_settings
from eventstreams.doctor.findings import Finding, Grade, exit_code_of, ok, problem, warning
from eventstreams.doctor.judge import (
    expected,
    judge_clock,
    judge_copies,
    judge_missing,
    judge_sight,
    judge_topic,
    judge_versions,
)
from eventstreams.kafka.inspection import TopicFacts
from eventstreams.settings import Settings
from eventstreams.topics import TopicSpec

SETTINGS = Settings.load(replication_factor=3)
SUBSCRIPTION = "es.sub.webhook.DF" + "1" * 32
SPECS = expected(SETTINGS, ["webhook"], [SUBSCRIPTION])
ALL = frozenset({"READ", "WRITE", "DESCRIBE"})


def sound(spec: TopicSpec) -> TopicFacts:
    config = {"cleanup.policy": "delete", **spec.config}
    return TopicFacts(
        name=spec.name,
        partitions=spec.partitions,
        replicas=3,
        leaderless=0,
        behind=0,
        config=config,
        operations=ALL,
    )


def judge(name: str, **wrong: object) -> Sequence[Finding]:
    return list(judge_topic(SETTINGS, SPECS[name], replace(sound(SPECS[name]), **wrong)))  # type: ignore[arg-type]  # any field


def configured(name: str, **config: str) -> Sequence[Finding]:
    given = {key.replace("_", "."): value for key, value in config.items()}
    return judge(name, config={"cleanup.policy": "delete", **SPECS[name].config, **given})


@pytest.mark.parametrize("name", SPECS)
def test_a_topic_as_we_make_it_is_sound(name: str) -> None:
    assert judge(name) == []


def test_records_that_go_before_their_time_are_a_problem_and_the_command_that_mends_it_is_told() -> None:
    [found] = configured(SUBSCRIPTION, retention_ms="3600000")

    assert found == problem(
        SUBSCRIPTION,
        "Kafka deletes its records after 1h, but events are retried for 4h",
        f"kafka-configs.sh --alter --entity-type topics --entity-name {SUBSCRIPTION} "
        "--add-config retention.ms=100800000",
    )


def test_records_that_stay_for_less_than_we_ask_but_long_enough_are_a_warning() -> None:
    [found] = configured(SUBSCRIPTION, retention_ms=str(5 * 3_600_000))

    assert (found.grade, found.fact) == (
        Grade.WARNING,
        "its records are kept for 5h, less than the 28h that it is created with",
    )


@pytest.mark.parametrize("kept", ["-1", str(365 * 86_400_000)], ids=["for ever", "for a year"])
def test_records_that_stay_for_longer_are_nothing_to_say(kept: str) -> None:
    assert configured(SUBSCRIPTION, retention_ms=kept) == []


@pytest.mark.parametrize(
    ("name", "config", "words"),
    [
        ("es.events", {"message_timestamp_type": "CreateTime"}, "must be LogAppendTime: deadlines are computed from"),
        ("es.control", {"cleanup_policy": "delete"}, "cleanup.policy is delete and must be compact"),
        ("es.events", {"cleanup_policy": "compact"}, "cleanup.policy is compact and must be delete"),
        (
            "es.dead.webhook",
            {"max_message_bytes": "1000"},
            "max.message.bytes is 1000: a large accepted event",
        ),
        ("es.events", {"min_insync_replicas": "4"}, "min.insync.replicas is 4 but it has 3 copies, so nothing can be"),
    ],
)
def test_a_setting_that_loses_or_stops_events_is_a_problem(name: str, config: dict[str, str], words: str) -> None:
    [found] = configured(name, **config)

    assert found.grade is Grade.PROBLEM
    assert words in found.fact
    assert found.fix is not None
    assert found.fix.startswith("kafka-configs.sh --alter ")


def test_one_broker_alone_with_an_event_is_a_warning() -> None:
    [found] = configured("es.events", min_insync_replicas="1")

    assert found.grade is Grade.WARNING


@pytest.mark.parametrize(
    ("wrong", "grade", "fact"),
    [
        ({"leaderless": 1}, Grade.PROBLEM, "1 partition of 12 have no leader and cannot be used"),
        ({"behind": 2}, Grade.WARNING, "2 partitions of 12 are under-replicated"),
        ({"replicas": 2}, Grade.WARNING, "it has 2 copies, fewer than EVENTSTREAMS_REPLICATION_FACTOR"),
        ({"operations": frozenset({"READ", "DESCRIBE"})}, Grade.PROBLEM, "our user may not Write"),
    ],
    ids=["no leader", "a copy behind", "too few copies", "no right"],
)
def test_a_topic_in_a_bad_state(wrong: dict[str, object], grade: Grade, fact: str) -> None:
    [found] = judge("es.events", **wrong)

    assert (found.grade, found.fact) == (grade, fact)


@pytest.mark.parametrize(("brokers", "grade"), [(1, Grade.PROBLEM), (3, Grade.OK)], ids=["one broker", "three brokers"])
def test_more_copies_than_brokers_are_a_problem(brokers: int, grade: Grade) -> None:
    [found] = judge_copies(SETTINGS, brokers)

    assert found.grade is grade


def test_fewer_copies_than_there_could_be_are_a_warning() -> None:
    [found] = judge_copies(Settings.load(replication_factor=1), 3)

    assert found.grade is Grade.WARNING


def test_settings_of_topics_that_may_not_be_seen_are_one_warning_and_no_problem() -> None:
    topics = [replace(sound(spec), config=None) for spec in SPECS.values()]

    assert [each for topic in topics for each in judge_topic(SETTINGS, SPECS[topic.name], topic)] == []
    [found] = judge_sight(topics)
    assert (found.grade, found.fix) == (Grade.WARNING, "grant it DescribeConfigs on them")


def test_topics_that_are_not_there_are_named_up_to_three() -> None:
    [found] = judge_missing(SPECS, ["es.events", SUBSCRIPTION])

    assert found.grade is Grade.WARNING
    assert found.fact.startswith("es.control, es.attempts, es.dead.router and ")
    assert list(judge_missing(SPECS, list(SPECS))) == []


@pytest.mark.parametrize(("newest", "grade"), [(None, Grade.OK), (9_000, Grade.OK), (12_500, Grade.PROBLEM)])
def test_a_clock_ahead_of_ours_is_a_problem(newest: int | None, grade: Grade) -> None:
    [found] = judge_clock(10_000, newest)

    assert found.grade is grade


def test_the_exit_code_is_that_of_the_first_problem() -> None:
    assert exit_code_of([ok("a", "b"), warning("a", "b", "c")]) == 0
    assert exit_code_of([ok("a", "b"), problem("a", "b", None, exit_code=4), problem("a", "b", None)]) == 4


def test_half_an_account_and_no_key_are_problems() -> None:
    found = examine_settings(Settings.load(account_sid="AC" + "1" * 32, allowed_destinations="10.0.0.0/8"))

    assert [(each.grade, each.about) for each in found[1:]] == [
        (Grade.PROBLEM, "secret key"),
        (Grade.PROBLEM, "first account"),
        (Grade.WARNING, "destinations"),
    ]


@pytest.mark.parametrize(
    ("protocols", "grade", "words"),
    [
        ({1: None, 2: None}, Grade.OK, "all run Kafka 4.0 or newer"),
        ({1: None, 2: "3.9-IV0"}, Grade.WARNING, "1 of 2 brokers is older than Kafka 4.0, such as 2 (3.9-IV0)"),
        (None, Grade.WARNING, "our user may not read the brokers' settings"),
    ],
    ids=["new", "mixed", "not-allowed"],
)
def test_how_old_the_brokers_are_is_told_as_far_as_they_tell_it(
    protocols: dict[int, str | None] | None, grade: Grade, words: str
) -> None:
    [found] = judge_versions(protocols)

    assert found.grade is grade
    assert words in found.fact
    assert (found.fix is None) is (grade is Grade.OK)


def test_only_a_problem_has_an_exit_code_to_end_with() -> None:
    assert [each.exit_code for each in (ok("a", "b"), warning("a", "b", "c"), problem("a", "b", None))] == [0, 0, 1]
