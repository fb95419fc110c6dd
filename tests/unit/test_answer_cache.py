"""Remembered answers: how long, and how many."""

from control_api.replicas.answer_cache import AnswerCache, CachedAnswer, is_old

DAY_MS = 24 * 3600 * 1000


def kept(answer: str = "x", owner: str = "AC1") -> CachedAnswer:
    return CachedAnswer(owner=owner, content="c", answer=answer)


def test_an_answer_is_remembered_for_a_day_and_a_replicas_own_for_seven_minutes() -> None:
    cache = AnswerCache()

    cache.put("key/1", kept("by a client"), at_ms=0, now_ms=0)
    cache.put("request/1", kept("by a replica"), at_ms=0, now_ms=0)

    assert cache.find("key/1", now_ms=DAY_MS) == kept("by a client")
    assert cache.find("key/1", now_ms=DAY_MS + 1) is None
    assert cache.find("request/1", now_ms=420_000) == kept("by a replica")
    assert cache.find("request/1", now_ms=420_001) is None


def test_what_is_too_old_already_is_not_taken_in_and_what_became_so_is_forgotten() -> None:
    cache = AnswerCache()

    cache.put("key/1", kept(), at_ms=0, now_ms=DAY_MS + 1)
    assert len(cache) == 0

    assert [is_old(key, 0, 500_000) for key in ("request/1", "key/1")] == [True, False]
    cache.put("request/1", kept(), at_ms=0, now_ms=0)
    cache.put("key/2", kept(), at_ms=500_000, now_ms=500_000)
    assert len(cache) == 1


def test_an_accounts_oldest_answers_make_room_for_its_new_ones_and_for_nobody_elses() -> None:
    cache = AnswerCache(most_of_owner=2)

    cache.put("key/other", kept(owner="AC2"), at_ms=0, now_ms=0)
    for number in range(4):
        cache.put(f"key/{number}", kept(), at_ms=number, now_ms=number)

    there = [key for key in ("key/other", "key/0", "key/1", "key/2", "key/3") if cache.find(key, now_ms=4)]
    assert there == ["key/other", "key/2", "key/3"]


def test_an_account_with_large_answers_pushes_out_its_own_and_nobody_elses() -> None:
    cache = AnswerCache(most_bytes_of_owner=3000, most_bytes=10_000)

    cache.put("key/other", kept(owner="AC2"), at_ms=0, now_ms=0)
    for number in range(20):
        cache.put(f"key/{number}", kept("x" * 500), at_ms=number, now_ms=number)

    assert cache.find("key/other", now_ms=20) is not None
    assert [number for number in range(20) if cache.find(f"key/{number}", now_ms=20)] == [18, 19]

    cache.put("key/large", kept("x" * 5000), at_ms=20, now_ms=20)
    assert len(cache) == 2


def test_the_oldest_answers_go_when_all_are_too_large() -> None:
    cache = AnswerCache(most_bytes=3000)

    for number in range(4):
        cache.put(f"key/{number}", kept("x" * 500, owner=f"AC{number}"), at_ms=number, now_ms=number)

    assert [cache.find(f"key/{number}", now_ms=4) is not None for number in range(4)] == [False, False, True, True]


def test_an_answer_that_is_told_twice_counts_once() -> None:
    cache = AnswerCache(most_bytes=1200)

    for number in range(5):
        cache.put("key/1", kept("x" * 500), at_ms=number, now_ms=number)

    assert cache.find("key/1", now_ms=5) == kept("x" * 500)
