"""The request and the answer are, byte for byte, those of aiokafka."""

import pytest
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.produce import ProduceRequest_v7, ProduceResponse_v7

from router.at_least_once.produce_request import Answer, Produce

BATCHES = {
    "es.sub.webhook.DF1": [(0, bytearray(b"one"))],
    "es.sub.webhook.DF2": [(3, bytearray(b"two")), (11, bytearray(b""))],
    "thème": [(0, bytearray(b"v" * 100_000))],
}


@pytest.mark.parametrize("batches", [{}, BATCHES], ids=["none", "some"])
def test_a_request_is_aiokafkas(batches: dict[str, list[tuple[int, bytearray]]]) -> None:
    theirs = ProduceRequest_v7(None, -1, 10_000, [*batches.items()]).encode()

    ours = Produce(batches, timeout_ms=10_000).prepare({0: (3, 13)})

    assert ours.encode() == theirs
    assert (0, 7, Answer) == (ours.API_KEY, ours.API_VERSION, ours.RESPONSE_TYPE)
    assert not ours.FLEXIBLE_VERSION


def test_an_answer_is_read_as_aiokafka_writes_it() -> None:
    topics = [("one", [(0, 0, 17, -1, 0)]), ("zwölf", [(3, 6, -1, -1, -1), (11, 45, -1, -1, -1)])]

    answer = Answer.decode(ProduceResponse_v7(topics, 0).encode())

    assert answer.codes == {("one", 0): 0, ("zwölf", 3): 6, ("zwölf", 11): 45}
    assert Answer.decode(ProduceResponse_v7([], 0).encode()).codes == {}


def test_a_broker_that_is_too_old_is_said_to_be() -> None:
    with pytest.raises((IncompatibleBrokerVersion, NotImplementedError)):
        Produce({}, timeout_ms=10_000).prepare({0: (0, 5)})
