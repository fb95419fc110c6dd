"""How far a group is, asked while its coordinator moves."""

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from eventstreams.errors import TopicError
from eventstreams.kafka import committed
from eventstreams.kafka.commits import Commit, Commits
from eventstreams.kafka.committed import committed_offsets
from eventstreams.kafka.records import Partition
from eventstreams.settings import Settings

AT = Partition("es.events", 0)
NOBODY = Settings.load(kafka="127.0.0.1:9")


@pytest.mark.parametrize("code", [KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS])
async def test_a_coordinator_that_moves_is_asked_again(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    answers: list[Commits | int] = [{AT: Commit(7)}, code, code]

    def answer(_: Consumer, __: object, *, within_s: float) -> Commits:
        told = answers.pop()
        if isinstance(told, int):
            raise KafkaException(KafkaError(told))
        return told

    monkeypatch.setattr(committed, "_asked_once", answer)
    monkeypatch.setattr(committed, "_AGAIN_S", 0.0)

    assert await committed_offsets(NOBODY, "g", [AT]) == {AT: 7}


async def test_what_lasts_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Consumer, __: object, *, within_s: float) -> Commits:
        raise KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))

    monkeypatch.setattr(committed, "_asked_once", refuse)

    with pytest.raises(TopicError, match="Kafka does not report the offsets of group g"):
        await committed_offsets(NOBODY, "g", [AT])
