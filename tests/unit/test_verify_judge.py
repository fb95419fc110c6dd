"""The judge of ``eventstreams verify``: what holds passes, and whatever does not is told, with whom and how many."""

from dataclasses import replace

import pytest

from eventstreams.reasons import DeadReason
from eventstreams.verify.bitset import BitSet
from eventstreams.verify.dead_letters import UNKNOWN_REASON
from eventstreams.verify.inspection import Finding
from eventstreams.verify.judge import Evidence, Fault, Problem, judge
from eventstreams.verify.ledger import State, Wrong
from eventstreams.verify.plan import PARTIAL_TYPES, TYPES, Kind
from tests.support.verifying import KILLED, PLAN, buried, changed, numbers, sound, with_bytes

ORDINARY = numbers(Kind.ORDINARY)
INVALID = numbers(Kind.INVALID)
OTHER_ACCOUNT = numbers(Kind.OTHER_ACCOUNT)


def problems(evidence: Evidence, *, most_duplicates: float = 0.01) -> list[Problem]:
    return list(judge(evidence, most_duplicates=most_duplicates).problems)


def only(evidence: Evidence) -> Problem:
    [problem] = problems(evidence)
    return problem


def without(evidence: Evidence, at: list[int], position: int = 0) -> Evidence:
    return changed(evidence, position, accepted=with_bytes(evidence.subscriptions[position].accepted, at, 0))


def accepted(evidence: Evidence, at: list[int], count: int, position: int = 0) -> Evidence:
    return changed(evidence, position, accepted=with_bytes(evidence.subscriptions[position].accepted, at, count))


# -- what holds ------------------------------------------------------------------------------------------------------


def test_a_run_in_which_all_arrived_once_holds() -> None:
    verdict = judge(sound("healthy", "failing", "slow"), most_duplicates=0)

    assert verdict.holds
    assert [(score.expected, score.delivered, score.missing, score.duplicates) for score in verdict.scores] == [
        (305, 305, 0, 0),  # with the partial events that are its alone
        (305, 305, 0, 0),
        (300, 300, 0, 0),
    ]


def test_an_event_that_nobody_acknowledged_may_arrive_or_not() -> None:
    evidence = sound()
    states = with_bytes(evidence.states, ORDINARY[:4], State.UNKNOWN)

    verdict = judge(without(replace(evidence, states=states), ORDINARY[:1]), most_duplicates=0)

    assert verdict.holds
    assert (verdict.scores[0].unknown, verdict.scores[0].unknown_delivered, verdict.scores[0].expected) == (4, 3, 301)


def test_dead_letters_with_the_reason_that_the_receiver_gave_count_as_settled() -> None:
    evidence = sound("refusing")
    refused = with_bytes(evidence.subscriptions[0].refused, ORDINARY[:2], 1)

    verdict = judge(buried(changed(evidence, refused=refused), ORDINARY[:2], DeadReason.REFUSED), most_duplicates=0)

    assert verdict.holds
    assert verdict.scores[0].dead == {"refused": 2}


def test_what_expires_in_a_run_longer_than_events_are_tried_is_no_problem() -> None:
    evidence = buried(sound("failing"), ORDINARY[:1], DeadReason.EXPIRED)

    assert problems(replace(evidence, lasted_s=20_000)) == []


def test_around_faults_a_share_may_come_twice() -> None:
    evidence = replace(accepted(sound(), ORDINARY[:3], 2), inflicted=[KILLED])

    assert problems(evidence) == []
    assert only(replace(accepted(evidence, ORDINARY[:4], 2))).fault is Fault.DOUBLED


def test_what_was_published_twice_may_come_twice() -> None:
    evidence = accepted(sound(), ORDINARY[:1], 2)

    verdict = judge(
        replace(evidence, again=BitSet.of_ranges(PLAN.event_count, [range(ORDINARY[0], ORDINARY[0] + 5)])),
        most_duplicates=0.01,
    )

    assert verdict.holds
    assert (verdict.scores[0].duplicates, verdict.scores[0].republished) == (1, 1)


def test_around_faults_what_was_published_twice_does_not_count_for_the_share() -> None:
    twice = BitSet.of_ranges(PLAN.event_count, [range(each, each + 1) for each in ORDINARY[:50]])
    evidence = replace(accepted(sound(), ORDINARY[:50], 2), inflicted=[KILLED], again=twice)

    assert problems(evidence) == []
    problem = only(accepted(evidence, ORDINARY[50:54], 2))
    assert (problem.fault, problem.count) == (Fault.DOUBLED, 4)
    assert problem.ids == [PLAN.id_of(each) for each in ORDINARY[50:54]]


# -- what does not ---------------------------------------------------------------------------------------------------


def test_an_event_that_is_nowhere_is_lost() -> None:
    problem = only(without(sound("healthy", "healthy"), [ORDINARY[7]], position=1))

    assert (problem.fault, problem.where, problem.count) == (Fault.LOST, "1 healthy", 1)
    assert problem.ids == [PLAN.id_of(ORDINARY[7])]


def test_the_first_of_many_are_told_by_id() -> None:
    problem = only(without(sound(), ORDINARY[10:110]))

    assert problem.count == 100
    assert problem.ids == [PLAN.id_of(number) for number in ORDINARY[10:15]]


def test_an_event_that_still_waits_when_time_is_up_is_unfinished_and_not_lost() -> None:
    evidence = without(sound(), ORDINARY[:2])

    problem = only(replace(evidence, waiting={f"es.sub.webhook.{evidence.subscriptions[0].sid}": 2}))

    assert problem.fault is Fault.UNFINISHED
    assert "2 records are still waiting" in problem.text


def test_what_waits_for_somebody_else_does_not_excuse_a_loss() -> None:
    evidence = without(sound("healthy", "slow"), ORDINARY[:2])
    waiting = {f"es.sub.webhook.{evidence.subscriptions[1].sid}": 5}

    assert [each.fault for each in problems(replace(evidence, waiting=waiting))] == [Fault.LOST, Fault.LAG]


def test_a_subscription_that_never_gets_one_type_is_told_with_the_type() -> None:
    of_type = [number for number in ORDINARY if PLAN.type_of(number) == TYPES[1]]

    problem = only(without(sound(), of_type))

    assert problem.count == len(of_type) == 100
    assert f"all of type {TYPES[1]}" in problem.text


def test_events_of_its_own_type_are_missed_where_they_do_not_come() -> None:
    partial = [number for number in numbers(Kind.PARTIAL) if PLAN.type_of(number) == PARTIAL_TYPES[0]]
    assert partial

    assert only(without(sound(), partial)).count == len(partial)


def test_a_refused_event_without_its_dead_letter_is_lost() -> None:
    evidence = sound("refusing")
    refused = with_bytes(evidence.subscriptions[0].refused, ORDINARY[:1], 1)

    assert only(without(changed(evidence, refused=refused), ORDINARY[:1])).fault is Fault.LOST


@pytest.mark.parametrize("wrong", list(Wrong))
def test_a_wrong_delivery_is_told_with_its_first(wrong: Wrong) -> None:
    finding = Finding(wrong, PLAN.id_of(0), "as somebody saw it")

    problem = only(changed(sound(), wrongs={wrong: 3}, findings=[finding]))

    assert (problem.fault, problem.count, problem.ids) == (Fault.WRONG, 3, [PLAN.id_of(0)])
    assert "as somebody saw it" in problem.text


def test_an_arrival_of_what_the_gateway_refused_is_wrong() -> None:
    evidence = sound()
    states = with_bytes(evidence.states, ORDINARY[:1], State.REFUSED)

    found = problems(replace(evidence, states=states))

    assert [(each.fault, each.ids) for each in found] == [(Fault.WRONG, [PLAN.id_of(ORDINARY[0])])]


def test_one_delivery_too_many_is_told_where_nothing_explains_it() -> None:
    problem = only(accepted(sound(), [ORDINARY[3]], 2))

    assert (problem.fault, problem.count, problem.ids) == (Fault.DOUBLED, 1, [PLAN.id_of(ORDINARY[3])])


def test_a_receiver_that_is_not_healthy_may_get_a_few_twice_and_no_more() -> None:
    assert problems(accepted(sound("failing"), ORDINARY[:3], 2)) == []
    assert only(accepted(sound("failing"), ORDINARY[:4], 2)).fault is Fault.DOUBLED


def test_a_dead_letter_whose_reason_nobody_gave_is_undeserved() -> None:
    problem = only(buried(sound("healthy"), ORDINARY[:1], DeadReason.REFUSED))

    assert (problem.fault, problem.count) == (Fault.UNDESERVED, 1)


def test_a_dead_letter_of_an_event_that_its_receiver_did_not_refuse_is_undeserved() -> None:
    evidence = sound("refusing")
    refused = with_bytes(evidence.subscriptions[0].refused, ORDINARY[:1], 1)

    problem = only(buried(changed(evidence, refused=refused), ORDINARY[:2], DeadReason.REFUSED))

    assert problem.ids == [PLAN.id_of(ORDINARY[1])]


@pytest.mark.parametrize("reason", [each for each in DeadReason if each is not DeadReason.EXPIRED])
def test_events_that_are_only_late_die_of_nothing_else(reason: DeadReason) -> None:
    assert only(buried(sound("down"), ORDINARY[:1], reason)).fault is Fault.UNDESERVED


def test_what_expires_before_its_time_is_undeserved() -> None:
    assert only(buried(sound("failing"), ORDINARY[:1], DeadReason.EXPIRED)).fault is Fault.UNDESERVED
    assert problems(buried(sound("down"), ORDINARY, DeadReason.EXPIRED)) == []


def test_a_reason_that_nobody_knows_is_told() -> None:
    evidence = buried(sound("down"), ORDINARY[:1], DeadReason.EXPIRED)
    dead = with_bytes(evidence.subscriptions[0].dead, ORDINARY[:1], UNKNOWN_REASON)

    assert "with an unknown reason" in only(changed(evidence, dead=dead)).text


def test_a_dead_letter_of_what_is_not_for_it_is_wrong() -> None:
    evidence = sound("down")
    dead = with_bytes(evidence.subscriptions[0].dead, OTHER_ACCOUNT[:1], 1)

    assert only(changed(evidence, dead=dead, dead_letters=1)).ids == [PLAN.id_of(OTHER_ACCOUNT[0])]
    assert only(changed(evidence, foreign_dead_letters=["EZ1"], dead_letters=1)).ids == ["EZ1"]


def test_a_dead_letter_that_is_there_twice_is_told() -> None:
    evidence = buried(sound("down"), ORDINARY[:3], DeadReason.EXPIRED)

    problem = only(changed(evidence, dead_letters=4))

    assert (problem.fault, problem.count) == (Fault.DOUBLED_LETTERS, 1)
    assert problems(replace(changed(evidence, dead_letters=4), inflicted=[KILLED])) == []


def test_lag_that_stays_is_told_with_its_place() -> None:
    evidence = sound("healthy", "slow")
    sid = evidence.subscriptions[1].sid

    found = problems(replace(evidence, waiting={f"es.sub.webhook.{sid}": 3, "es.events": 2}))

    assert [(each.fault, each.where, each.count) for each in found] == [
        (Fault.LAG, "1 slow", 3),
        (Fault.LAG, "consumer groups", 2),
    ]


def test_calls_of_the_api_that_failed_are_told() -> None:
    problem = only(replace(sound(), calls_failed=2, call_failures=["list sinks: no answer"]))

    assert (problem.fault, problem.count) == (Fault.API, 2)
    assert problem.text.endswith("list sinks: no answer")


def test_a_gateway_that_refuses_what_is_right_or_takes_what_is_wrong_is_told() -> None:
    evidence = sound()

    assert only(replace(evidence, refused=["vf-1: 400: no"])).fault is Fault.GATEWAY
    assert only(replace(evidence, taken=["vf-2"])).fault is Fault.GATEWAY


def test_a_run_without_one_acknowledged_event_proves_nothing() -> None:
    evidence = sound()
    nothing = bytes(PLAN.event_count)

    problem = only(changed(replace(evidence, states=nothing), accepted=nothing, arrivals=nothing))

    assert problem.fault is Fault.NOTHING
