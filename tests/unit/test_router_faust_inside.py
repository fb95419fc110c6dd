"""What router.faust_app.transport leans on inside Faust. Where a test fails: read its change log, then that module."""

import inspect
import re
from importlib.metadata import version

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.consumer.group_coordinator import BaseCoordinator, CoordinatorGroupRebalance, GroupCoordinator
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy
from confluent_kafka import Consumer
from faust import App, Schema
from faust.sensors import Monitor
from faust.streams import Stream
from faust.transport.conductor import Conductor
from faust.transport.consumer import Consumer as BaseConsumer
from faust.transport.consumer import ThreadDelegateConsumer
from faust.transport.drivers import aiokafka

from router.batches import Batch, Batches
from router.exactly_once.consumer import SettledThread
from router.exactly_once.transactions import Seat
from router.faust_app.control_end import _Connections
from router.faust_app.transport import CommittedThread, RunConsumer, RunTransport


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
        "stop_flow",
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


def test_a_member_joins_again_as_we_think_and_its_heartbeats_have_no_name() -> None:
    assert "self._do_rejoin_group(subscription)" in source_of(GroupCoordinator.ensure_active_group)
    assert "self.member_id = JoinGroupRequest.UNKNOWN_MEMBER_ID" in source_of(GroupCoordinator.reset_generation)
    assert JoinGroupRequest.UNKNOWN_MEMBER_ID == ""
    assert "while not self._closing.done():" in source_of(GroupCoordinator._GroupCoordinator__coordination_routine)
    assert "instance" not in source_of(HeartbeatRequest)  # else Kafka says itself that another has the name
    assert "self._coordinator = GroupCoordinator(" in source_of(AIOKafkaConsumer.start)


def test_what_confirms_a_member_goes_through_the_overridden_method_and_its_session_is_where_we_look_for_it() -> None:
    assert "await self._send_req(request)" in source_of(GroupCoordinator._do_heartbeat)
    assert "await self._coordinator._send_req(request)" in source_of(CoordinatorGroupRebalance._send_sync_group_request)
    assert "self._session_timeout_ms = session_timeout_ms" in source_of(GroupCoordinator)
    assert "self._subscription = " in source_of(BaseCoordinator)  # how idle it is is counted there
    assert "idle_time = self._subscription.fetcher_idle_time" in source_of(GroupCoordinator.ensure_active_group)


def test_an_error_of_the_client_waits_for_a_call_that_faust_does_not_make() -> None:
    assert "check_errors" not in source_of(aiokafka.AIOKafkaConsumerThread._fetch_records)
    assert "raise exc" in source_of(GroupCoordinator.check_errors)
    assert "self._coordination_task.result()" in source_of(GroupCoordinator.check_errors)
    assert not inspect.iscoroutinefunction(GroupCoordinator._push_error_to_user), "noted once it is called"
    assert "self._closing = create_future()" in source_of(GroupCoordinator)


def test_offsets_are_committed_only_through_the_overridden_methods() -> None:
    assert "_filter_tps_with_pending_acks(topics)" in source_of(BaseConsumer.force_commit)
    assert "self._new_offset(tp)" in source_of(BaseConsumer._filter_committable_offsets)


def test_a_partition_is_not_stuck_whose_time_is_told() -> None:
    assert "monitor.stream_inbound_time.get(tp)" in source_of(aiokafka.AIOKafkaConsumerThread.verify_event_path)
    assert "self.stream_inbound_time[tp] = monotonic()" in source_of(Monitor)


def test_a_seek_goes_back_to_the_committed_offsets() -> None:
    assert "self.seek_to_committed()" in source_of(BaseConsumer.perform_seek)
    assert "self._thread.seek_to_committed()" in source_of(ThreadDelegateConsumer.seek_to_committed)
    assert list(inspect.signature(CommittedThread.seek_to_committed).parameters) == ["self"]


def test_messages_of_no_generation_are_passed_over() -> None:
    assert "message.generation_id != self.app.consumer_generation_id" in source_of(Stream)
    assert App.consumer_generation_id == 0


def test_the_seat_in_the_group_is_where_we_look_for_it() -> None:
    made = source_of(GroupCoordinator)
    assert all(f"self.{name} = " in made for name in ("generation", "member_id", "_group_instance_id", "group_id"))
    assert "self._coordinator = GroupCoordinator(" in source_of(AIOKafkaConsumer.start)
    assert list(inspect.signature(SettledThread._go_back).parameters) == ["self"]


@pytest.mark.parametrize("instance", [None, "router-0"])
def test_a_seat_is_written_as_librdkafka_writes_it(instance: str | None) -> None:
    config = {"group.id": "es.router", "bootstrap.servers": "127.0.0.1:1"}
    consumer = Consumer(config if instance is None else {**config, "group.instance.id": instance})

    assert Seat("es.router", -1, "", instance).as_bytes() == consumer.consumer_group_metadata()


def test_the_topic_index_and_the_schema_hook_are_there() -> None:
    assert "_topic_name_index" in source_of(Conductor)
    assert (
        "schema" in inspect.signature(Schema.compile).parameters
        or "app" in inspect.signature(Schema.compile).parameters
    )
    assert RunTransport.Consumer is RunConsumer


def test_fetches_go_to_the_clients_thread_as_we_send_them_there() -> None:
    assert "self._thread.getmany(active_partitions, timeout)" in source_of(ThreadDelegateConsumer._getmany)
    assert "self._fetch_records," in source_of(aiokafka.AIOKafkaConsumerThread.getmany)
    assert "max_records=_consumer._max_poll_records" in source_of(aiokafka.AIOKafkaConsumerThread.getmany)
    asked = inspect.signature(aiokafka.AIOKafkaConsumerThread._fetch_records).parameters
    assert list(asked) == ["self", "consumer", "active_partitions", "timeout", "max_records"]


def test_a_broker_counts_as_asked_while_its_answer_is_dealt_with() -> None:
    asking = source_of(fetcher.Fetcher._fetch_requests_routine)
    assert "self._proc_fetch_request(assignment, node_id, request)" in asking
    assert "self._in_flight.discard(node_id)" in asking
    assert "elif node_id in self._in_flight:" in source_of(fetcher.Fetcher._get_actions_per_node)
    assert "self._fetcher = Fetcher(" in source_of(AIOKafkaConsumer.start)


def test_a_question_has_a_connection_of_its_own() -> None:
    assert "self._conns[(node_id, group)]" in source_of(AIOKafkaClient.send)
    assert _Connections.ASKING not in {int(each) for each in ConnectionGroup}


def test_what_looks_at_the_cluster_is_what_the_routers_producer_replaces() -> None:
    assert list(inspect.signature(AIOKafkaClient._metadata_update).parameters) == ["self", "cluster_metadata", "topics"]
    assert "await self._metadata_update(self.cluster, topics)" in source_of(AIOKafkaClient._md_synchronizer)
    assert "conn = await self._get_conn(node_id)" in source_of(AIOKafkaClient._metadata_update)
    assert "MetadataRequest([])" in source_of(AIOKafkaClient.bootstrap), "asks for no topics"


def test_a_batch_is_uncompressed_as_we_have_it_uncompressed() -> None:
    uncompressing = source_of(_DefaultRecordBatchPy._maybe_uncompress)
    assert "self._buffer = bytearray(uncompressed)" in uncompressing
    assert "self._pos = 0" in uncompressing


def test_the_clients_thread_tells_positions() -> None:
    assert list(inspect.signature(aiokafka.AIOKafkaConsumerThread.position).parameters) == ["self", "tp"]


def test_the_client_takes_what_it_fetched_apart_with_what_was_put_in_its_place() -> None:
    assert version("aiokafka") == "0.14.0"
    assert fetcher.MemoryRecords is Batches
    assert "records = MemoryRecords(part_data[-1])" in source_of(fetcher.Fetcher._proc_fetch_request)
    asked = re.findall(r"next_batch\.(\w+)", source_of(PartitionRecords._unpack_records))
    asked += re.findall(r" record\.(\w+)", source_of(PartitionRecords._consumer_record))
    assert set(asked) <= Batch.__dict__.keys() | Batch.__annotations__.keys()
    assert "value = record.value" in source_of(PartitionRecords._consumer_record)
