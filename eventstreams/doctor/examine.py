"""The examination, from the inside out. If a part cannot be examined, whatever depends on it is skipped."""

import os
from collections.abc import Sequence
from datetime import timedelta

from eventstreams.catalog.check import check_catalog
from eventstreams.control.vault import Vault
from eventstreams.doctor.findings import Finding, ok, problem, warning
from eventstreams.doctor.judge import (
    expected,
    judge_clock,
    judge_copies,
    judge_missing,
    judge_sight,
    judge_topic,
    judge_versions,
)
from eventstreams.errors import (
    BrokerUnreachableError,
    CatalogError,
    PluginError,
    SettingsError,
    TopicError,
)
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.kafka.inspection import KafkaInspector
from eventstreams.settings import PREFIX, Settings
from eventstreams.sinks.registry import lacking, load_plugins
from eventstreams.times import now_ms
from eventstreams.topics import Topics


async def examine(wait: timedelta) -> Sequence[Finding]:
    """All findings, in the order of the examination. ``wait``: how long to wait for a broker."""
    try:
        settings = Settings.load(kafka_wait=wait)
    except SettingsError as error:
        return [problem("settings", str(error), None, exit_code=error.exit_code)]
    sink_types, plugins = examine_plugins(settings)
    return [
        *examine_settings(settings),
        *examine_catalog(settings),
        *plugins,
        *await examine_kafka(settings, sink_types),
    ]


def examine_settings(settings: Settings) -> Sequence[Finding]:
    """Examine the settings, including those that only some roles need."""
    given = sum(name.startswith(PREFIX) for name in os.environ)
    found = [ok("settings", f"{given} variables, all valid settings with valid values")]
    try:
        Vault(settings)
    except SettingsError as error:
        found.append(problem("secret key", str(error), None, exit_code=error.exit_code))
    if (settings.account_sid is None) != (settings.auth_token is None):
        fact = f"{PREFIX}ACCOUNT_SID and {PREFIX}AUTH_TOKEN go together"
        found.append(problem("first account", fact, "set both, or none", exit_code=SettingsError.exit_code))
    if settings.allowed_destinations:
        networks = ", ".join(map(str, settings.allowed_destinations))
        found.append(
            warning(
                "destinations",
                f"anyone who can create sinks can aim them at {networks}",
                f"keep {PREFIX}ALLOWED_DESTINATIONS as narrow as possible",
            )
        )
    return found


def examine_catalog(settings: Settings) -> Sequence[Finding]:
    """Examine the event types and their schemas."""
    try:
        reading, problems = check_catalog(settings.catalog_dirs)
    except CatalogError as error:
        return [problem("catalogue", str(error), None, exit_code=CatalogError.exit_code)]
    if problems:
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        fix = "run `eventstreams catalog check` for the full list"
        return [problem("catalogue", f"{problems[0]}{more}", fix, exit_code=CatalogError.exit_code)]
    return [ok("catalogue", f"{len(reading.types)} event types, {len(reading.schemas)} schemas")]


def examine_plugins(settings: Settings) -> tuple[Sequence[str], Sequence[Finding]]:
    """Examine the sink plugins; returns the sink types whose workers can run here, and the findings."""
    try:
        plugins = load_plugins()
    except PluginError as error:
        return [], [problem("plugins", str(error), None, exit_code=PluginError.exit_code)]
    found, usable = [], []
    for sink_type, plugin in sorted(plugins.items()):
        if plugin.needs_mail and settings.mail_server is None:
            continue  # such sinks cannot be created
        if lacks := lacking(plugin):
            module, source = next(iter(lacks.items()))
            fact = f"a worker for {sink_type} sinks cannot run here, because {module} is missing"
            found.append(warning("plugins", fact, f"pip install '{source}' where the worker runs"))
        else:
            usable.append(sink_type)
    found += examine_sink_types(settings.sink_types, list(plugins))
    return usable, [ok("plugins", f"workers for {', '.join(usable)} sinks can run here"), *found]


def examine_sink_types(sink_types: Sequence[str] | None, installed: Sequence[str]) -> Sequence[Finding]:
    """Findings about the types that the API offers by setting (None: all installed) but cannot create sinks of."""
    if sink_types == ():
        fact = f"{PREFIX}SINK_TYPES is none: no sinks can be created"
        return [warning("sink types", fact, "list the sink types that have workers, once there are some")]
    lacking_here = [each for each in sink_types or () if each not in installed]
    return [
        warning(
            "sink types",
            f"{PREFIX}SINK_TYPES includes {each}, whose plugin is not installed here: an API started here would "
            "refuse such sinks",
            f"install it alongside the API as well, or correct the name; available: {', '.join(sorted(installed))}",
        )
        for each in lacking_here
    ]


async def examine_kafka(settings: Settings, sink_types: Sequence[str]) -> Sequence[Finding]:
    """Examine the brokers, the topics, our rights and the clocks."""
    try:
        admin = KafkaAdmin(settings)
        await admin.wait_for_broker()
    except (SettingsError, BrokerUnreachableError) as error:
        return [problem("kafka", str(error), None, exit_code=error.exit_code)]
    found = [ok("kafka", f"answers at {settings.kafka}")]
    try:
        there = await admin.topics()
        inspector = KafkaInspector(settings)
        found += judge_versions(await inspector.broker_protocols())
        found += judge_copies(settings, await admin.brokers())
        specs = expected(settings, sink_types, list(there))
        found += judge_missing(specs, list(there))
        topics = await inspector.topics([name for name in specs if name in there])
        wrong = [each for topic in topics for each in judge_topic(settings, specs[topic.name], topic)]
        found += wrong or [ok("topics", f"all {len(topics)} existing topics are as they should be")]
        found += judge_sight(topics)
        events = Topics(settings).events
        newest = await inspector.newest_ms(events, there[events]) if events in there else None
        found += judge_clock(now_ms(), newest)
    except (BrokerUnreachableError, TopicError) as error:
        found.append(problem("kafka", str(error), "grant our user the permissions listed in docs/kafka.md"))
    return found
