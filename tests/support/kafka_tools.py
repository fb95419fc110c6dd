"""Kafka's own command-line tools under the names of their scripts: of the Kafka that tests run, and one jar more."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from eventstreams.local.class_archive import mapping
from eventstreams.local.jar import Jar
from eventstreams.local.jars import fetch_jars
from eventstreams.local.java import find_java
from eventstreams.local.kafka import default_cache
from eventstreams.settings import Settings

# A broker does not need it, so the product does not ship this jar.
_JAR: Final = Jar.parse(
    "org.apache.kafka:kafka-tools:4.1.1 8a6939f310a61119cedaffc144119e9b2a374e32a7ec18f78e49ce5aeb71d6b0"
)
_TOOLS: Final = "org.apache.kafka.tools"
_MAIN: Final[Mapping[str, str]] = {
    "kafka-acls": f"{_TOOLS}.AclCommand",
    "kafka-broker-api-versions": f"{_TOOLS}.BrokerApiVersionsCommand",
    "kafka-consumer-groups": f"{_TOOLS}.consumer.group.ConsumerGroupCommand",
    "kafka-log-dirs": f"{_TOOLS}.LogDirsCommand",
    "kafka-metadata-quorum": f"{_TOOLS}.MetadataQuorumCommand",
    "kafka-topics": f"{_TOOLS}.TopicCommand",
}
_JVM: Final = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def write_kafka_tools(folder: Path) -> None:
    """Write ``kafka-topics.sh`` and the others that the runbooks name into ``folder``, which is on the ``PATH``."""
    cache = Settings.load().cache_dir or default_cache()
    kafka, tools = fetch_jars(cache), fetch_jars(cache, name="kafka-tools-4.1.1", jars=[_JAR])
    java = find_java()
    classes = f"{kafka}/*:{tools / _JAR.file_name}"  # the broker's first, or its class data archive would not match
    for name, main in _MAIN.items():
        command = shlex.join([str(java), *_JVM, *mapping(java, kafka), "-cp", classes, main])
        script = folder / f"{name}.sh"
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)
