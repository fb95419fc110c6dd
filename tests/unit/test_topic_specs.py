"""How the topics are to be made."""

from eventstreams.control.vault import new_key
from eventstreams.settings import Settings
from eventstreams.topics import SEGMENT, SMALL_INDEXES, Topics

SID = "DF" + "1" * 32
TIME_ENTRY = 12  # bytes of an entry, in the larger index of the two


def test_what_grows_with_every_write_to_the_api_is_bounded_in_size() -> None:
    settings = Settings.load(kafka="localhost:9092", secret_key=new_key(), audit_max_mib=64)
    topics = Topics(settings)
    config = {spec.name: spec.config for spec in topics.base_specs()}

    assert config[topics.audit]["retention.bytes"] == str(64 << 20)
    assert config[topics.audit]["segment.bytes"] == str(8 << 20)
    assert config[topics.answers]["retention.bytes"] == str(256 << 20)
    assert int(config[topics.answers]["segment.bytes"]) * 8 <= 256 << 20


def test_a_small_index_has_room_for_all_that_a_killed_broker_makes_anew() -> None:
    config = Topics(Settings.load()).subscription_spec("webhook", SID).config

    index, segment = int(config["segment.index.bytes"]), int(config["segment.bytes"])
    assert index <= 1 << 18
    assert segment >= 1 << 28  # each is open files and maps of the broker
    entries = segment // int(config["index.interval.bytes"])
    assert entries <= (index // TIME_ENTRY - 1) * 4 // 5  # a fifth to spare


def test_no_segment_is_larger_than_what_a_small_index_is_for() -> None:
    settings = Settings.load(kafka="localhost:9092", secret_key=new_key(), audit_max_mib=1 << 20)

    sizes = [spec.config.get("segment.bytes") for spec in Topics(settings).base_specs()]
    assert max(int(size) for size in sizes if size) == SEGMENT


def test_topics_of_which_there_are_few_keep_kafkas_own_indexes() -> None:
    topics = Topics(Settings.load())

    specs = [*topics.base_specs(), *topics.worker_specs("webhook")]
    assert [each.name for each in specs if SMALL_INDEXES.keys() <= each.config.keys()] == []
