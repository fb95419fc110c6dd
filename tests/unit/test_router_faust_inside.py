"""What router.transport leans on inside Faust. A failure here means: read its change log, then router/transport.py."""

import inspect
from importlib.metadata import version

from aiokafka import AIOKafkaConsumer
from faust import Schema
from faust.transport.conductor import Conductor
from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.drivers import aiokafka

from router.transport import CommittedThread, RunConsumer, RunTransport


def source_of(thing: object) -> str:
    return inspect.getsource(thing)  # type: ignore[arg-type]  # functions and classes only


def test_the_release_is_the_one_that_was_read() -> None:
    assert version("faust-streaming") == "0.15.3"


def test_the_overridden_methods_exist_and_are_called_as_we_think() -> None:
    overridden = [
        "_getmany",
        "_to_message",
        "_add_gap",
        "_filter_tps_with_pending_acks",
        "_new_offset",
        "perform_seek",
        "on_partitions_revoked",
        "_new_consumer_thread",
    ]
    for name in overridden:
        ours, theirs = getattr(RunConsumer, name), getattr(aiokafka.Consumer, name)
        assert ours is not theirs
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)


def test_the_clients_isolation_is_set_before_it_is_used() -> None:
    made = aiokafka.AIOKafkaConsumerThread._create_worker_consumer
    assert list(inspect.signature(CommittedThread._create_worker_consumer).parameters) == list(
        inspect.signature(made).parameters
    )
    assert "isolation_level=self._isolation_level" in source_of(AIOKafkaConsumer.start)


def test_offsets_are_committed_only_through_the_overridden_methods() -> None:
    assert "_filter_tps_with_pending_acks(topics)" in source_of(BaseConsumer.force_commit)
    assert "self._new_offset(tp)" in source_of(BaseConsumer._filter_committable_offsets)


def test_acks_mark_the_message_whatever_else_they_do() -> None:
    assert "message.acked = True" in source_of(BaseConsumer.ack)


def test_a_seek_goes_back_to_the_committed_offsets() -> None:
    assert "seek_to_committed" in source_of(BaseConsumer.perform_seek)


def test_the_topic_index_and_the_schema_hook_are_there() -> None:
    assert "_topic_name_index" in source_of(Conductor)
    assert (
        "schema" in inspect.signature(Schema.compile).parameters
        or "app" in inspect.signature(Schema.compile).parameters
    )
    assert RunTransport.Consumer is RunConsumer


def test_the_clients_thread_tells_positions_and_runs_what_seeks() -> None:
    thread = aiokafka.AIOKafkaConsumerThread

    assert list(inspect.signature(thread.position).parameters) == ["self", "tp"]
    assert list(inspect.signature(thread.seek).parameters) == ["self", "partition", "offset"]
    assert inspect.iscoroutinefunction(thread.call_thread)
    assert "_read_offset" in source_of(thread._seek_wait)  # why it is not used
