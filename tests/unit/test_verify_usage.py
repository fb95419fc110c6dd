"""``eventstreams verify --soak``: a process that grows is told, one that only breathes is not."""

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from eventstreams.verify import usage
from eventstreams.verify.cli import verify
from eventstreams.verify.judge import Fault, judge
from eventstreams.verify.usage import Growth, Life, Use, Watch, growths_of, sizes_by_kind
from tests.support.verifying import sound

HOUR_S = 3600


def life(
    memory_mib: Callable[[float], float],
    *,
    descriptors: Callable[[float], int] = lambda _: 40,
    threads: Callable[[float], int] = lambda _: 20,
    until_s: int = HOUR_S,
) -> Life:
    uses = [Use(at, memory_mib(at), descriptors(at), threads(at)) for at in range(0, until_s, 5)]
    return Life("router-1", 7, uses)


def growth(one: Life, *, until_s: int = HOUR_S) -> Growth:
    [found] = growths_of([one], until_s)
    return found


def test_what_is_made_at_the_start_is_no_growth() -> None:
    found = growth(life(lambda at: 60 + min(at, 900) / 10))

    assert found.problems == []
    assert found.memory_mib == 150
    assert found.memory_an_hour == pytest.approx(0)


def test_what_comes_and_goes_is_no_growth() -> None:
    found = growth(
        life(lambda at: 150 + 30 * math.sin(at / 60), descriptors=lambda at: 40 + int(at / 5) % 9),
    )

    assert found.problems == []


def test_one_step_is_no_growth() -> None:
    found = growth(life(lambda at: 150 if at < 3000 else 190, descriptors=lambda at: 40 if at < 3000 else 60))

    assert found.problems == []


def test_a_broker_is_told_and_not_judged() -> None:
    broker = Life("kafka", 7, life(lambda at: 150 + at / 10).uses)

    assert growth(broker).memory_an_hour == pytest.approx(360)
    assert growth(broker).problems == ()


def test_the_start_of_a_process_that_was_started_again_is_no_growth() -> None:
    again = Life("router-1", 8, [Use(at, min(60 + (at - 2000) / 5, 150), 40, 20) for at in range(2000, HOUR_S, 5)])

    assert growth(again).problems == []
    assert growth(again).seconds == 995


@pytest.mark.parametrize(
    ("leaking", "said"),
    [
        (life(lambda at: 150 + at / 50), "memory, 204 MiB, by 72 MiB per hour"),
        (life(lambda _: 150, descriptors=lambda at: 40 + int(at // 300)), "descriptors, 48, by 11 an hour"),
        (life(lambda _: 150, threads=lambda at: 20 + int(at // 300)), "threads, 28, by 11 an hour"),
    ],
)
def test_what_leaks_is_a_problem_of_the_run(leaking: Life, said: str) -> None:
    verdict = judge(replace(sound(), growths=[growth(leaking)]), most_duplicates=0)

    [problem] = verdict.problems
    assert (problem.fault, problem.where) == (Fault.GROWTH, "router-1")
    assert said in problem.text


def test_a_process_that_was_started_again_late_is_not_judged() -> None:
    late = Life("router-1", 8, [Use(at, at, 40, 20) for at in range(3000, HOUR_S, 5)])

    assert list(growths_of([late], HOUR_S)) == []


@pytest.mark.parametrize("seen", [[], [growth(Life("kafka", 7, life(lambda _: 150).uses))]], ids=["none", "a broker"])
def test_where_none_lived_long_enough_that_is_told(seen: list[Growth]) -> None:
    verdict = judge(replace(sound(), growths=seen), most_duplicates=0)

    assert [each.fault for each in verdict.problems] == [Fault.GROWTH]
    assert "no process ran long enough" in verdict.problems[0].text


def test_it_sees_the_roles_that_were_started_and_nothing_else(tmp_path: Path) -> None:
    code = "import sys; print(flush=True); sys.stdin.read()"
    role = [sys.executable, "-c", code, "-m", "eventstreams", "worker", "webhook"]
    other = [sys.executable, "-c", code]
    watch = Watch(tmp_path, began=0.0)
    with (
        subprocess.Popen(role, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker,
        subprocess.Popen(other, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as beside,
    ):
        for each in (worker, beside):
            assert each.stdout is not None
            each.stdout.readline()  # before it says so it may have hardly any memory yet
        watch.take()
        watch.take()
        for each in (worker, beside):
            each.communicate()
    watch.take()

    [seen] = [life for life in watch.usage().lives if life.name != "kafka"]  # of tests that this process ran before
    assert (seen.name, seen.pid) == ("worker-webhook", worker.pid)
    assert len(seen.uses) == 2
    assert all(use.memory_mib > 1 and use.descriptors > 2 and use.threads >= 1 for use in seen.uses)


def test_of_a_long_run_every_second_sample_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "_MOST", 10)
    watch = Watch(tmp_path, began=0.0)
    role = [sys.executable, "-c", "import sys; sys.stdin.read()", "-m", "eventstreams", "router"]
    with subprocess.Popen(role, stdin=subprocess.PIPE) as router:
        for _ in range(45):
            watch.take()
        router.communicate()

    [seen] = [life for life in watch.usage().lives if life.pid == router.pid]
    assert 4 <= len(seen.uses) <= 11


def test_files_of_partitions_are_counted_by_kind_of_topic(tmp_path: Path) -> None:
    for partition in ("es.retry.webhook.2s-0", "es.retry.webhook.5s-11", "__consumer_offsets-3", "my.control-0"):
        folder = tmp_path / "kafka-1" / "data" / partition
        folder.mkdir(parents=True)
        (folder / "00000000000000000000.log").write_bytes(b"x" * 10_000)
    (tmp_path / "logs-1").mkdir()
    (tmp_path / "logs-1" / "notes.txt").write_bytes(b"x" * 10_000)

    sizes = sizes_by_kind(tmp_path)

    assert set(sizes) == {"es.retry", "Kafka's own", "es.control"}
    assert sizes["es.retry"] == 2 * sizes["es.control"] >= 20_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--soak"], "--soak requires --up"),
        (["--up", "--soak", "--events", "5000", "--rate", "500"], "these last 10 s: use --events 600000"),
    ],
)
def test_a_soak_that_could_say_nothing_is_refused(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(verify, arguments)

    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
