"""What waits, as an operator and an autoscaler are told: from offsets alone, and never less than there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from control_api.backlog.figures import OldestSearch, PartitionLag, Progress, State, due_now, for_autoscaler
from control_api.backlog.gauges import BacklogGauges, TypeBacklog, Unrouted
from eventstreams.kafka.records import Partition
from eventstreams.telemetry.metrics import Metrics

TP = Partition("es.sub.webhook.DF1", 0)


def test_a_partition_stands_still_from_when_something_waited_that_was_not_settled() -> None:
    progress = Progress()

    assert progress.look([PartitionLag(TP, 5, 5)], 100.0) == {TP: 0.0}
    assert progress.look([PartitionLag(TP, 5, 9)], 115.0) == {TP: 15.0}  # since the last look at the latest
    assert progress.look([PartitionLag(TP, 5, 9)], 130.0) == {TP: 30.0}
    assert progress.look([PartitionLag(TP, 6, 9)], 145.0) == {TP: 0.0}


def test_a_partition_that_was_away_begins_anew() -> None:
    progress = Progress()
    progress.look([PartitionLag(TP, 5, 9)], 100.0)
    progress.look([], 400.0)

    assert progress.look([PartitionLag(TP, 5, 9)], 500.0) == {TP: 0.0}


@given(ages=st.lists(st.floats(min_value=0, max_value=100_000), min_size=1, max_size=5))
def test_the_oldest_is_found_to_within_five_hundredths(ages: list[float]) -> None:
    lags = [PartitionLag(Partition("t", number), 0, 1) for number, _ in enumerate(ages)]
    search = OldestSearch(lags, longest_s=100_800)

    while (question := search.question) is not None:
        asked, ago_s = question
        search.answer({at: -1 if ages[at.number] > ago_s else 0 for at in asked})

    oldest = max(*ages, 15.0)
    assert oldest * 0.95 <= search.age_s <= oldest


def test_nothing_is_as_old_as_nothing() -> None:
    search = OldestSearch([], longest_s=100.0)

    assert search.question is None
    assert search.age_s == 0.0


def test_a_partition_that_kafka_does_not_tell_of_is_not_old() -> None:
    search = OldestSearch([PartitionLag(TP, 0, 1)], longest_s=100.0)
    while search.question is not None:
        search.answer({})

    assert search.age_s == 15.0


@pytest.mark.parametrize(
    ("offset", "due"),
    [
        pytest.param(7, 2, id="two were put there before"),
        pytest.param(3, 0, id="they are settled already"),
        pytest.param(99, 5, id="no more than there are"),
        pytest.param(-1, 5, id="none is newer"),
    ],
)
def test_those_retries_are_due_that_were_put_there_before_their_wait(offset: int, due: int) -> None:
    assert due_now(PartitionLag(TP, 5, 10), offset) == due


@pytest.mark.parametrize(
    ("moving", "held", "due", "wanted"),
    [
        pytest.param(0, 0, 0, 0, id="nothing waits: no worker"),
        pytest.param(40, 10_000, 2, 42, id="what is held is no load"),
        pytest.param(0, 10_000, 0, 1, id="but must be tried, and expire"),
        pytest.param(0, 0, 3, 3, id="retries whose time has come"),
    ],
)
def test_an_autoscaler_is_told_what_another_worker_could_get_on_with(
    moving: int, held: int, due: int, wanted: int
) -> None:
    assert for_autoscaler(moving=moving, held=held, due=due) == wanted


def told(metrics: Metrics) -> dict[str, float]:
    lines = [line for line in generate_latest(metrics.registry).decode().splitlines() if line[0] != "#"]
    pairs = (line.rpartition(" ") for line in lines if "backlog" in line or "_due" in line)
    return {name: float(value) for name, _, value in pairs}


def backlog(**subscriptions: tuple[int, float]) -> TypeBacklog:
    return TypeBacklog(
        sink_type="webhook",
        events={State.MOVING: 4, State.STILL: 9, State.PAUSED: 7},
        oldest_s={State.MOVING: 15.0, State.STILL: 400.0, State.PAUSED: 60.0},
        retries=10,
        due=3,
        overdue=1,
        subscriptions=subscriptions,
    )


def test_every_event_is_told_once() -> None:
    metrics = Metrics()
    BacklogGauges(metrics.backlogs, most_subscriptions=20).tell([backlog()], Unrouted(0, 0.0))

    found = told(metrics)
    assert found['eventstreams_backlog_events{sink_type="webhook",state="moving"}'] == 4
    assert [
        found[f'eventstreams_retry_backlog_events{{sink_type="webhook",state="{state}"}}']
        for state in ("waiting", "due", "overdue")
    ] == [6, 3, 1]
    assert found['eventstreams_due_events{sink_type="webhook"}'] == 8


def test_only_the_subscriptions_with_the_most_are_named() -> None:
    metrics = Metrics()
    tell = BacklogGauges(metrics.backlogs, most_subscriptions=2)

    tell.tell([backlog(DF1=(1, 0.0), DF2=(5, 0.0), DF3=(3, 0.0))], Unrouted(0, 0.0))
    tell.tell([backlog(DF1=(1, 0.0), DF4=(5, 0.0), DF3=(3, 0.0))], Unrouted(0, 0.0))

    assert {name for name in told(metrics) if "subscription_backlog" in name} == {
        f'eventstreams_subscription_backlog_events{{sink_type="webhook",subscription_sid="{sid}"}}'
        for sid in ("DF4", "DF3")
    }


def test_figures_have_an_age_also_where_there_is_no_sink_type() -> None:
    """By which an alert knows whether there are figures."""
    metrics = Metrics()
    tell = BacklogGauges(metrics.backlogs, most_subscriptions=2)
    before = told(metrics)

    tell.tell([], Unrouted(0, 0.0))

    assert before["eventstreams_backlog_age_seconds"] == 0
    assert told(metrics)["eventstreams_backlog_age_seconds"] > 0


def test_a_process_that_is_the_primary_no_more_tells_nothing() -> None:
    metrics = Metrics()
    tell = BacklogGauges(metrics.backlogs, most_subscriptions=2)
    tell.tell([backlog(DF1=(1, 0.0))], Unrouted(7, 20.0))

    tell.end()

    assert set(told(metrics).values()) == {0.0}
    assert not [name for name in told(metrics) if "{" in name]
