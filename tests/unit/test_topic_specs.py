"""How the topics are to be made."""

from eventstreams.control.vault import new_key
from eventstreams.settings import Settings
from eventstreams.topics import Topics

SID = "DF" + "1" * 32
LEAST_ENTRY = 4 << 10  # bytes of records between two entries of an index: Kafka's default
TIME_ENTRY = 12  # bytes, in the larger index of the two


def test_what_grows_with_every_write_to_the_api_is_bounded_in_size() -> None:
    settings = Settings.load(kafka="localhost:9092", secret_key=new_key(), audit_max_mib=64)
    topics = Topics(settings)
    config = {spec.name: spec.config for spec in topics.base_specs()}

    assert config[topics.audit]["retention.bytes"] == str(64 << 20)
    assert config[topics.audit]["segment.bytes"] == str(8 << 20)
    assert config[topics.answers]["retention.bytes"] == str(256 << 20)
    assert int(config[topics.answers]["segment.bytes"]) * 8 <= 256 << 20


def test_the_indexes_of_a_subscriptions_topic_are_small_and_its_segments_are_not() -> None:
    config = Topics(Settings.load()).subscription_spec("webhook", SID).config

    index = int(config["segment.index.bytes"])
    assert index <= 1 << 18
    assert index // TIME_ENTRY * LEAST_ENTRY > 80 << 20  # each segment is open files and maps of the broker


def test_topics_of_which_there_are_few_keep_kafkas_own_indexes() -> None:
    topics = Topics(Settings.load())

    specs = [*topics.base_specs(), *topics.worker_specs("webhook")]
    assert [each.name for each in specs if "segment.index.bytes" in each.config] == []
