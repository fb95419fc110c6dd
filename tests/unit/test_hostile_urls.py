"""No way in: what is in the corpus of hostile destinations is refused as a configuration, or never connected to."""

import asyncio
import re
import socket
from collections.abc import Callable, Mapping, Sequence

import pytest
from pydantic import BaseModel, ValidationError

from eventstreams.sinks import DeliveryOutcome, DestinationGuard, RetryLater, RetryReason
from eventstreams.sinks.registry import load_plugin
from sink_workers.plugins.amqp.config import AmqpConfig
from sink_workers.plugins.kafka.config import KafkaConfig
from sink_workers.plugins.kinesis.config import KinesisConfig
from sink_workers.plugins.s3.config import S3Config
from sink_workers.plugins.segment.config import SegmentConfig
from sink_workers.plugins.sqs.config import SqsConfig
from sink_workers.plugins.webhook.config import WebhookConfig
from tests.support.hostile_urls import TAKEN, URLS, HostileUrl, Resolver
from tests.support.webhooks import context, event

AWS = {"access_key_id": "A" * 20, "secret_access_key": "s"}
AT_ONCE = 4  # each makes contexts of TLS, or a thread
SOME = TAKEN[::3]  # of each kind: all go through the one guard


@pytest.fixture(autouse=True)
def resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        socket, "getaddrinfo", Resolver({each.host: each.addresses for each in TAKEN if each.addresses})
    )


def test_the_corpus_is_large_and_of_both_kinds() -> None:
    assert len({each.url for each in URLS}) == len(URLS) > 250
    assert 100 < len(TAKEN) < len(URLS) - 100


@pytest.mark.parametrize("hostile", URLS, ids=lambda each: ascii(each.url))
def test_a_webhook_takes_or_refuses_it_in_words(hostile: HostileUrl) -> None:
    if hostile.taken:
        assert WebhookConfig(destination=hostile.url).destination == hostile.url
    else:
        with pytest.raises(ValidationError, match="destination"):
            WebhookConfig(destination=hostile.url)


# -- of each kind of sink, the configurations that its address can stand in ---------------------------------------


def webhook(url: str) -> Mapping[str, object]:
    return {"destination": url}


def token_endpoint(url: str) -> Mapping[str, object]:
    secure = url.replace("http:", "https:", 1)
    oauth = {"token_url": secure, "client_id": "c", "client_secret": "s"}
    return {"destination": "https://hooks.example.com/", "oauth2": oauth}


def segment(url: str) -> Mapping[str, object]:
    return {"write_key": "k", "endpoint": url}


def s3(url: str) -> Mapping[str, object]:
    return {"bucket": "bucket", "endpoint": url, **AWS}


def host_of(url: str) -> str:
    return re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0].rpartition("@")[2]


def bootstrap(url: str) -> Mapping[str, object]:
    host = host_of(url)
    return {
        "bootstrap_servers": host if host.rpartition(":")[2].isdigit() else f"{host}:9092",
        "topic": "t",
        "tls": False,
    }


def amqp(url: str) -> Mapping[str, object]:
    host = host_of(url)
    host = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return {"host": host, "username": "u", "password": "p", "routing_key": "q", "tls": False}


async def outcome_of(sink_type: str, config: BaseModel) -> DeliveryOutcome:
    """What becomes of one event, or of a probe; tried again where a busy machine was too slow to ask the guard."""
    sink = await load_plugin(sink_type).open(config, context(DestinationGuard()))
    try:
        tries = 10
        while True:
            outcome = await sink.probe() if sink_type in {"kafka", "amqp", "s3"} else (await sink.deliver([event()]))[0]
            tries -= 1
            if not tries or not isinstance(outcome, RetryLater) or "no answer within" not in outcome.detail:
                return outcome
    finally:
        await sink.aclose()


@pytest.mark.parametrize(
    ("sink_type", "model", "configuration", "urls"),
    [
        ("webhook", WebhookConfig, webhook, TAKEN),
        ("webhook", WebhookConfig, token_endpoint, SOME),
        ("segment", SegmentConfig, segment, SOME),
        ("s3", S3Config, s3, SOME),
        ("kafka", KafkaConfig, bootstrap, SOME),
        ("amqp", AmqpConfig, amqp, SOME),
    ],
    ids=["webhook", "token endpoint", "segment", "s3", "kafka", "amqp"],
)
async def test_what_is_taken_is_never_connected_to(
    sink_type: str,
    model: type[BaseModel],
    configuration: Callable[[str], Mapping[str, object]],
    urls: Sequence[HostileUrl],
) -> None:
    at_once = asyncio.Semaphore(AT_ONCE)
    told: dict[str, DeliveryOutcome] = {}

    async def attempt(url: str) -> None:
        try:
            config = model.model_validate(configuration(url))
        except ValidationError:
            return
        async with at_once:
            told[url] = await outcome_of(sink_type, config)

    async with asyncio.TaskGroup() as group:
        for each in urls:
            group.create_task(attempt(each.url))

    reasons = {url: outcome.reason for url, outcome in told.items() if isinstance(outcome, RetryLater)}
    assert {ascii(url): told[url] for url in told if reasons.get(url) is not RetryReason.DESTINATION_FORBIDDEN} == {}
    assert len(told) > 0.8 * len(urls)  # the rest has a path, a user or the like, which some kinds refuse


@pytest.mark.parametrize(
    ("model", "configuration"),
    [
        (WebhookConfig, webhook),
        (WebhookConfig, token_endpoint),
        (SegmentConfig, segment),
        (S3Config, s3),
        (KafkaConfig, bootstrap),
        (AmqpConfig, amqp),
    ],
    ids=["webhook", "token endpoint", "segment", "s3", "kafka", "amqp"],
)
def test_every_address_is_taken_or_refused_in_words(
    model: type[BaseModel], configuration: Callable[[str], Mapping[str, object]]
) -> None:
    refused = 0
    for each in URLS:
        try:
            model.model_validate(configuration(each.url))
        except ValidationError:  # nothing else: that would be a 500
            refused += 1

    assert 0 < refused < len(URLS)


@pytest.mark.parametrize("model", [KinesisConfig, SqsConfig])
def test_sinks_of_aws_alone_take_no_address_at_all(model: type[BaseModel]) -> None:
    for each in URLS:
        with pytest.raises(ValidationError):
            model.model_validate({"arn": each.url, **AWS})
    assert not [name for name in model.model_fields if "url" in name or "endpoint" in name or "host" in name]


@pytest.mark.parametrize("url", [each.url for each in TAKEN if "@" in each.url], ids=ascii)
def test_what_is_shown_of_it_has_the_host_that_it_goes_to(url: str) -> None:
    config = WebhookConfig(destination=url)
    shown = load_plugin("webhook").public(config)["destination"]

    assert host_of(str(shown)) == host_of(config.url)
