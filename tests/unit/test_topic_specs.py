"""How the topics are to be made."""

from eventstreams.control.vault import new_key
from eventstreams.settings import Settings
from eventstreams.topics import Topics


def test_what_grows_with_every_write_to_the_api_is_bounded_in_size() -> None:
    settings = Settings.load(kafka="localhost:9092", secret_key=new_key(), audit_max_mib=64)
    topics = Topics(settings)
    config = {spec.name: spec.config for spec in topics.base_specs()}

    assert config[topics.audit]["retention.bytes"] == str(64 << 20)
    assert config[topics.audit]["segment.bytes"] == str(8 << 20)
    assert config[topics.answers]["retention.bytes"] == str(256 << 20)
    assert int(config[topics.answers]["segment.bytes"]) * 8 <= 256 << 20
