"""Judges what Kafka reports about itself. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

from eventstreams.doctor.findings import Finding, ok, problem, warning
from eventstreams.durations import format_duration
from eventstreams.kafka.inspection import TopicFacts
from eventstreams.settings import Settings
from eventstreams.topics import Topics, TopicSpec

_NEEDED: Final = ("READ", "WRITE")
_SAFE_REPLICAS: Final = 3
_CLOCK_MS: Final = 1000  # smaller differences may come from the network
_FOR_EVER: Final = -1


def judge_copies(settings: Settings, brokers: int) -> Iterator[Finding]:
    """Whether topics can be created with the replication factor of the settings."""
    wanted = settings.replication_factor
    if wanted > brokers:
        yield problem(
            "replication",
            f"EVENTSTREAMS_REPLICATION_FACTOR is {wanted}, but there {'is' if brokers == 1 else 'are'} "
            f"{_count(brokers, 'broker')}: no topic can be created",
            f"add brokers, or set it to {brokers}",
        )
    elif wanted < _SAFE_REPLICAS <= brokers:
        yield warning(
            "replication",
            f"there are {brokers} brokers, but each topic has {_count(wanted, 'copy')}: losing one disk can lose "
            "events",
            f"set EVENTSTREAMS_REPLICATION_FACTOR to {_SAFE_REPLICAS}",
        )
    else:
        yield ok("replication", f"{_count(brokers, 'broker')}, and {_count(wanted, 'copy')} of each topic")


def judge_versions(protocols: Mapping[int, str | None] | None) -> Iterator[Finding]:
    """How old the brokers are, as far as they reveal it. ``protocols``: see ``KafkaInspector.broker_protocols``."""
    if protocols is None:
        yield warning(
            "brokers",
            "our user may not read the brokers' settings, so their version is unknown",
            "grant it DescribeConfigs on the cluster, or check yourself that they run Kafka 4.0 or newer",
        )
        return
    old = {broker: protocol for broker, protocol in protocols.items() if protocol is not None}
    if old:
        broker, protocol = next(iter(old.items()))
        are = "is" if len(old) == 1 else "are"
        yield warning(
            "brokers",
            f"{len(old)} of {_count(len(protocols), 'broker')} {are} older than Kafka 4.0, "
            f"such as {broker} ({protocol}): Event Streams is tested with 4.1",
            "upgrade them, one at a time; docs/kafka.md lists the requirements",
        )
    else:
        yield ok("brokers", "all run Kafka 4.0 or newer; they do not report more than that")


def expected(settings: Settings, sink_types: Sequence[str], existing: Sequence[str]) -> Mapping[str, TopicSpec]:
    """The specs of all topics that must exist, and of the existing subscription topics."""
    topics = Topics(settings)
    specs = [*topics.base_specs(), *(spec for each in sink_types for spec in topics.worker_specs(each))]
    start = f"{settings.topic_prefix}sub."
    for name in existing:
        if name.startswith(start):
            sink_type, _, sid = name.removeprefix(start).rpartition(".")
            specs.append(topics.subscription_spec(sink_type, sid))
    return {spec.name: spec for spec in specs}


def judge_missing(specs: Mapping[str, TopicSpec], existing: Sequence[str]) -> Iterator[Finding]:
    """The topics that do not exist; roles create theirs when they start."""
    missing = [name for name in specs if name not in existing]
    if missing:
        more = f" and {len(missing) - 3} others" if len(missing) > 3 else ""  # noqa: PLR2004 - a line's worth
        yield warning(
            "topics",
            f"{', '.join(missing[:3])}{more} {'is' if len(missing) == 1 else 'are'} missing",
            "start the roles, which create their own, or run `eventstreams topics create`",
        )


def judge_topic(settings: Settings, spec: TopicSpec, topic: TopicFacts) -> Iterator[Finding]:
    """Everything that is wrong with one topic."""
    if topic.leaderless:
        yield problem(
            topic.name,
            f"{_count(topic.leaderless, 'partition')} of {topic.partitions} have no leader and cannot be used",
            "bring their brokers back",
        )
    elif topic.behind:
        yield warning(
            topic.name,
            f"{_count(topic.behind, 'partition')} of {topic.partitions} are under-replicated",
            "look for a broker that is down or slow",
        )
    if topic.replicas < settings.replication_factor:
        yield warning(
            topic.name,
            f"it has {_count(topic.replicas, 'copy')}, fewer than EVENTSTREAMS_REPLICATION_FACTOR",
            "add copies with kafka-reassign-partitions.sh",
        )
    if topic.operations is not None and "ALL" not in topic.operations:
        lacking = [each.capitalize() for each in _NEEDED if each not in topic.operations]
        if lacking:
            yield problem(
                topic.name,
                f"our user may not {' and '.join(lacking)}",
                f"grant it {' and '.join(lacking)} on this topic",
            )
    if topic.config is not None:
        yield from _judge_config(settings, spec, topic, topic.config)


def judge_sight(topics: Sequence[TopicFacts]) -> Iterator[Finding]:
    """Whether we may see the settings of topics, a right that only the doctor needs."""
    unseen = [each.name for each in topics if each.config is None]
    if unseen:
        yield warning(
            "rights",
            f"our user may not read the settings of {_count(len(unseen), 'topic')}, such as {unseen[0]}: not checked",
            "grant it DescribeConfigs on them",
        )


def judge_clock(now_ms: int, newest_ms: int | None) -> Iterator[Finding]:
    """Compare the clocks: Kafka's sets deadlines, ours says when they have passed.

    A record can reveal only that Kafka's clock is ahead of ours.
    """
    if newest_ms is None:
        yield ok("clock", "there is no record yet to compare the clocks with")
    elif newest_ms - now_ms > _CLOCK_MS:
        yield problem(
            "clock",
            f"the newest event was accepted {(newest_ms - now_ms) / 1000:.1f} s from now by Kafka's clock",
            "synchronize the clocks of the brokers and of this machine with NTP",
        )
    else:
        yield ok("clock", "Kafka's clock is not ahead of this machine's")


def _judge_config(
    settings: Settings, spec: TopicSpec, topic: TopicFacts, found: Mapping[str, str]
) -> Iterator[Finding]:
    wanted = spec.config
    for name in ("message.timestamp.type", "cleanup.policy"):
        right = wanted.get(name, "delete")
        if name in found and found[name] != right:
            yield problem(
                topic.name,
                f"{name} is {found[name]} and must be {right}: {_WHY[name]}",
                _alter(topic.name, name, right),
            )
    if "retention.ms" in wanted:
        wanted_ms = int(wanted["retention.ms"])
        kept_ms = int(found.get("retention.ms", wanted_ms))
        yield from _judge_retention(settings, topic, wanted_ms=wanted_ms, kept_ms=kept_ms)
    least = wanted["max.message.bytes"]
    if int(found.get("max.message.bytes", least)) < int(least):
        yield problem(
            topic.name,
            f"max.message.bytes is {found['max.message.bytes']}: a large accepted event would not fit",
            _alter(topic.name, "max.message.bytes", least),
        )
    in_sync = int(found.get("min.insync.replicas", "1"))
    if in_sync > topic.replicas:
        yield problem(
            topic.name,
            f"min.insync.replicas is {in_sync} but it has {_count(topic.replicas, 'copy')}, so nothing can be written",
            _alter(topic.name, "min.insync.replicas", wanted["min.insync.replicas"]),
        )
    elif in_sync < int(wanted["min.insync.replicas"]) and topic.replicas >= _SAFE_REPLICAS:
        yield warning(
            topic.name,
            f"min.insync.replicas is {in_sync}: an event can be accepted while only one broker has it",
            _alter(topic.name, "min.insync.replicas", wanted["min.insync.replicas"]),
        )


def _judge_retention(settings: Settings, topic: TopicFacts, *, wanted_ms: int, kept_ms: int) -> Iterator[Finding]:
    ttl_ms = settings.ttl / timedelta(milliseconds=1)
    if kept_ms == _FOR_EVER or kept_ms >= wanted_ms:
        return
    kept = format_duration(timedelta(milliseconds=kept_ms))
    fix = _alter(topic.name, "retention.ms", str(wanted_ms))
    if kept_ms <= ttl_ms:
        yield problem(
            topic.name,
            f"Kafka deletes its records after {kept}, but events are retried for {format_duration(settings.ttl)}",
            fix,
        )
    else:
        full = format_duration(timedelta(milliseconds=wanted_ms))
        yield warning(topic.name, f"its records are kept for {kept}, less than the {full} that it is created with", fix)


_WHY: Final = {
    "message.timestamp.type": "deadlines are computed from the broker's clock",
    "cleanup.policy": "otherwise needed records are deleted, or old ones are kept",
}


def _alter(topic: str, name: str, value: str) -> str:
    return f"kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {name}={value}"


def _count(number: int, thing: str) -> str:
    many = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"{number} {thing if number == 1 else many}"
