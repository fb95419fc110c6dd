"""A hunt for secrets: each that can be given is marked, all is driven through success and failure, and then searched.

Searched are the logs of all roles, their metrics, every byte on every topic, every answer of the API, and what Python
says (``repr``, ``vars``) of every object of ours that is alive and of every exception, as a core dump would have it.
"""

import asyncio
import base64
import gc
import json
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client import generate_latest
from typing_extensions import override

from control_api.role import serve as serve_api
from eventstreams.control.vault import Purpose
from eventstreams.process.listen import address_of, open_socket
from eventstreams.settings import SECRETS, Settings
from eventstreams.sinks.registry import load_plugin, load_plugins
from eventstreams.testing.certificates import self_signed
from eventstreams.testing.receiver import Received, Receiver
from producers.gateway.role import serve as serve_gateway
from router.role import route
from sink_workers.role import worker_for
from tests.support.events import SENT
from tests.support.gateway import STRUCTURED, cloudevent
from tests.support.installation import TOKEN, Installation
from tests.support.operator import OPERATOR_TOKEN, Asker, with_operator

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600), pytest.mark.usefixtures("all_in_sight")]
OURS = ("eventstreams", "producers", "router", "sink_workers", "control_api")
MARK = "S3CR3T"
"""In each secret that is given; those that are made are added as they are answered."""


def marked(name: str) -> str:
    return f"{MARK}-{name}-0123456789abcdef"


HEADER, PASSWORD, CLIENT = marked("header"), marked("destination"), marked("oauth-client")
SIGNING = "whsec_" + base64.b64encode(marked("signing").encode()).decode()
QUERY, BODY = marked("query"), marked("body")
"""Shown to their owner, and kept out of logs and metrics all the same."""

SINKS: Mapping[str, Mapping[str, object]] = {
    "kinesis": {
        "arn": "arn:aws:kinesis:us-east-1:123456789012:stream/s",
        "role_arn": "arn:aws:iam::123456789012:role/r",
        "external_id": marked("external-id"),
    },
    "sqs": {
        "arn": "arn:aws:sqs:us-east-1:123456789012:q",
        "access_key_id": "AKIA0123456789ABCDEF",
        "secret_access_key": marked("sqs"),
    },
    "s3": {
        "bucket": "bucket",
        "endpoint": "http://127.0.0.1:9",
        "access_key_id": "AKIA0123456789ABCDEF",
        "secret_access_key": marked("s3"),
    },
    "segment": {"write_key": marked("segment"), "endpoint": "http://127.0.0.1:9"},
    "kafka": {
        "bootstrap_servers": "127.0.0.1:9",
        "topic": "t",
        "tls": False,
        "sasl_mechanism": "SCRAM-SHA-256",
        "username": "u",
        "password": marked("kafka"),
    },
    "amqp": {
        "host": "127.0.0.1",
        "port": 9,
        "tls": False,
        "username": "u",
        "password": marked("amqp"),
        "routing_key": "q",
    },
}


@dataclass
class Hunt:
    """What was given and made in confidence, and what was heard."""

    secrets: set[str] = field(default_factory=set)
    answers: list[str] = field(default_factory=list)

    def asker(self, url: str, user: str, password: str) -> "Listening":
        self.secrets.add(password)
        return Listening(url, user, password, self)


class Listening(Asker):
    """Remembers every answer, without what is made in it."""

    def __init__(self, url: str, user: str, password: str, hunt: Hunt) -> None:
        super().__init__(url, user, password)
        self._hunt = hunt

    @override
    async def ask(self, method: str, path: str, **fields: str) -> tuple[int, Any]:
        status, told = await super().ask(method, path, **fields)
        shown = dict(told) if isinstance(told, dict) else {}
        for name in ("auth_token", "secondary_auth_token", "secret", "signing_secret"):
            if isinstance(secret := shown.pop(name, None), str):
                self._hunt.secrets.add(secret)
        self._hunt.answers.append(f"{method} {path} {status} {json.dumps(shown)}")
        return status, told


def repeat(request: Received) -> web.Response:
    """As receivers in trouble do: all that they got, in an answer that says no."""
    status = 400 if b'EZ1"' in request.body else 500
    return web.Response(status=status, text="\n".join(f"{name}: {value}" for name, value in request.headers.items()))


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    settings = with_operator(settings).model_copy(update={"events_partitions": 1})
    async with Installation(settings) as installation:
        yield installation


async def test_no_secret_is_anywhere_but_where_it_was_given(
    installation: Installation, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    key = installation.settings.secret_key
    assert key is not None
    hunt = Hunt({TOKEN, OPERATOR_TOKEN, key.get_secret_value(), HEADER, PASSWORD, CLIENT, SIGNING})
    certificate, pem = (each.read_text() for each in self_signed("hooks.example.com", tmp_path))
    hunt.secrets |= {"".join(pem.splitlines()[1:-1])[:60], marked("wrong")}
    hunt.secrets |= {marked(each) for each in ("external-id", "sqs", "s3", "segment", "kafka", "amqp")}
    with open_socket("127.0.0.1:0", setting="t") as api, open_socket("127.0.0.1:0", setting="t") as gateway:
        urls = [f"http://{address_of(each)}" for each in (api, gateway)]
        listen = {"api_listen": f"fd://{api.detach()}", "gateway_listen": f"fd://{gateway.detach()}"}
    settings = installation.settings.model_copy(update=listen)
    async with Receiver(repeat) as receiver:
        roles = [await installation.start(serve_api, settings)]
        asker = hunt.asker(urls[0], installation.account_sid, TOKEN)
        sid = await sinks(asker, receiver, certificate, pem)
        roles += [
            await installation.start(each, settings)
            for each in (serve_gateway, route, worker_for(load_plugin("webhook")))
        ]
        await credentials(hunt, asker, urls[0])
        await wrong(hunt, urls, installation.account_sid)
        await publish(urls[1], installation.account_sid)
        await receiver.wait_for(lambda: {each for got in receiver.received for each in got.ids} >= {"EZ1", "EZ2"})
        await read(asker, sid)
        problems = list(exceptions(settings, installation))
        alive = "\n".join(representations())

    logs = "".join(capfd.readouterr()) + caplog.text + "".join(f"{vars(each)}" for each in caplog.records)
    metrics = "".join(generate_latest(each.metrics.registry).decode() for each in roles)
    topics = {name: bytes_of(installation.settings, name) for name in topics_of(installation.settings)}
    assert len(hunt.secrets) > 20
    assert any(BODY.encode() in found for found in topics.values())  # the search finds what is there
    assert "delivery.attempted" in logs
    shown = {marked("external-id")}  # as the reference shows it to its owner
    places = {
        "answers": ("\n".join(hunt.answers), hunt.secrets - shown),
        "logs": (logs, hunt.secrets | {QUERY, BODY}),
        "metrics": (metrics, hunt.secrets | {QUERY, BODY}),
        "exceptions": ("\n".join(problems), hunt.secrets | {BODY}),
        "objects": (alive, hunt.secrets),
        **{f"topic {name}": (found.decode("latin-1"), hunt.secrets | {QUERY}) for name, found in topics.items()},
    }
    leaks = {
        f"{secret[:24]} in {where}" for where, (text, sought) in places.items() for secret in sought if secret in text
    }
    assert leaks == set()


def around(secret: str, text: str) -> str:
    """Where in ``text`` it is, for whoever is to mend it."""
    place = text.index(secret)
    return text[max(place - 200, 0) : place]


async def sinks(asker: Listening, receiver: Receiver, certificate: str, pem: str) -> str:
    """A sink of each type, looked at, probed, changed; the SID of the webhook that events go to."""
    place = receiver.url.replace("http://", f"http://user:{PASSWORD}@")
    plain = {"destination": f"{place}?key={QUERY}", "standard_webhooks": {"scheme": "v1", "secret": SIGNING}}
    oauth = {"token_url": receiver.url, "client_id": "c", "client_secret": CLIENT}
    webhooks: list[Mapping[str, object]] = [
        plain,
        {"destination": receiver.url, "headers": {"X-Key": HEADER}},
        {"destination": receiver.url, "oauth2": oauth},
        {"destination": "https://127.0.0.1:9/", "client_certificate": certificate, "client_key": pem},
    ]
    made = [await sink(asker, "webhook", each) for each in webhooks]
    made += [await sink(asker, type_, each) for type_, each in SINKS.items()]
    for each in made:
        for part in ("", "/Configuration", "/Health", "/Delivery"):
            await asker.ask("GET", f"/v1/Sinks/{each}{part}")
        for part in ("/Test", "/Probe", "/SigningSecret"):
            await asker.ask("POST", f"/v1/Sinks/{each}{part}")
    for type_, good in (("webhook", plain), *SINKS.items()):  # said back in no refusal
        for name, value in good.items():
            for bad in (
                {**good, name: [value]},
                {**good, f"{name}s": value},
                {**good, name: f"{value} é"},
            ):
                await asker.ask("POST", "/v1/Sinks", Description="d", SinkType=type_, SinkConfiguration=json.dumps(bad))
    await asker.made("/v1/Subscriptions", Description="d", SinkSid=made[0], Types=json.dumps({"type": SENT}))
    await asker.made("/v1/Subscriptions", Description="d", SinkSid=made[1], Types=json.dumps({"type": SENT}))
    await asker.made("/v1/Subscriptions", Description="d", SinkSid=made[2], Types=json.dumps({"type": SENT}))
    return str(made[0])


async def sink(asker: Listening, sink_type: str, configuration: Mapping[str, object]) -> str:
    told = await asker.made(
        "/v1/Sinks", Description="d", SinkType=sink_type, SinkConfiguration=json.dumps(configuration)
    )
    return str(told["sid"])


async def credentials(hunt: Hunt, asker: Listening, url: str) -> None:
    """Those that are made: accounts, tokens, keys, by an account and by the operator."""
    operator = hunt.asker(url, "operator", OPERATOR_TOKEN)
    other = await operator.made("/operator/v1/Accounts", FriendlyName="Acme")
    await operator.made(f"/operator/v1/Accounts/{other['sid']}/RotateToken", GraceSeconds="60")
    await asker.made("/v1/Keys", FriendlyName="k")
    sub = await asker.made("/2010-04-01/Accounts.json", FriendlyName="Sub")
    await asker.made(f"/2010-04-01/Accounts/{sub['sid']}/Keys.json")
    for path in ("", f"/{other['sid']}", f"/{other['sid']}/Keys"):
        await operator.ask("GET", f"/operator/v1/Accounts{path}")
    await operator.ask("POST", "/operator/v1/SecretRotations")
    await operator.ask("GET", "/operator/v1/AuditEvents")


async def wrong(hunt: Hunt, urls: Iterable[str], account_sid: str) -> None:
    for url, path in zip(urls, ("/v1/Sinks", "/v1/Events"), strict=True):
        asker = hunt.asker(url, account_sid, marked("wrong"))
        await asker.ask("GET", "/v1/Sinks")
        async with aiohttp.ClientSession() as session:
            for given in (f"Bearer {marked('wrong')}", f"Basic {marked('wrong')}"):
                async with session.post(url + path, headers={"Authorization": given}) as answer:
                    hunt.answers.append(await answer.text())


async def publish(url: str, account_sid: str) -> None:
    auth = aiohttp.encode_basic_auth(account_sid, TOKEN)
    async with aiohttp.ClientSession(headers={**STRUCTURED, "Authorization": auth}) as session:
        for number in (1, 2):
            event = cloudevent(number)
            data = event["data"]
            assert isinstance(data, dict)
            good = {**event, "data": {**data, "body": BODY}}
            async with session.post(f"{url}/v1/Events", json=good, headers=STRUCTURED) as answer:
                assert answer.status == 202, await answer.text()
            async with session.post(f"{url}/v1/Events", data=json.dumps({**good, "time": BODY})) as answer:
                assert answer.status == 400


async def read(asker: Listening, sink_sid: str) -> None:
    await eventually_listed(asker, "/v1/DeadLetters", "dead_letters")
    for path in ("/v1/Sinks", "/v1/Subscriptions", "/v1/Keys", "/v1/AuditEvents", f"/v1/Sinks/{sink_sid}/Health"):
        await asker.ask("GET", path)


async def eventually_listed(asker: Listening, path: str, key: str) -> None:
    async with asyncio.timeout(60):
        while not (await asker.ask("GET", path))[1][key]:
            await asyncio.sleep(0.1)


def exceptions(settings: Settings, installation: Installation) -> Iterator[str]:
    """What Python says of errors that secrets are near to, and of all that caused them."""
    secret = marked("wrong")
    for name in SECRETS:
        for value in (secret, f"://{secret}@", f"postgresql://u:{secret}@h:x/d", f"https://u:{secret}@h/"):
            try:
                yield repr(Settings.load(**{name: value}))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
                yield from said(error)
    for sink_type, plugin in load_plugins().items():
        for bad in (
            {"password": [marked("wrong")]},
            {"destination": f"http://u:{marked('wrong')}@[/"},
            [marked("wrong")],
        ):
            try:
                plugin.config.model_validate(bad)
            except Exception as error:  # noqa: BLE001 - likewise
                yield from said(error)
        if sink_type in SINKS:
            yield repr(plugin.config.model_validate(SINKS[sink_type])).replace(marked("external-id"), "")
    try:
        installation.vault.unlock(marked("wrong"), Purpose.AUTH_TOKEN, "x")
    except Exception as error:  # noqa: BLE001 - likewise
        yield from said(error)
    yield repr(settings) + str(settings) + repr(settings.model_dump()) + f"{vars(settings)}"


def said(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield f"{error} {error!r} {error.args} {vars(error)} {getattr(error, '__notes__', '')}"
        error = error.__cause__ or error.__context__


def representations() -> Iterator[str]:
    """What each object of ours that is alive says of itself; of this test's own, nothing."""
    gc.unfreeze()  # a worker has taken what was there at its start out of sight
    for each in gc.get_objects():
        kind = type(each)
        module = str(kind.__module__)  # some types of C have a descriptor there
        if module.partition(".")[0] in OURS and "testing" not in module:
            try:
                yield f"{kind.__module__}.{kind.__qualname__}: {each!r}"
            except Exception as error:  # noqa: BLE001 - half-made objects cannot say what they are
                yield repr(error)


def topics_of(settings: Settings) -> list[str]:
    admin = AdminClient({"bootstrap.servers": settings.kafka})
    return [name for name in admin.list_topics(timeout=30).topics if name.startswith(settings.topic_prefix)]


def headers_of(message: Message) -> list[tuple[str, bytes | None]]:
    return list(message.headers() or ())  # type: ignore[arg-type]  # what a topic has are bytes


def bytes_of(settings: Settings, topic: str) -> bytes:
    """All that stands on ``topic``: keys, values, and headers."""
    consumer = Consumer({"bootstrap.servers": settings.kafka, "group.id": "hunt", "enable.partition.eof": True})
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        consumer.assign([TopicPartition(topic, each, 0) for each in partitions])
        found, left = b"", len(partitions)
        while left:
            message = consumer.poll(30)
            assert message is not None, topic
            if message.error() is not None:
                left -= 1
                continue
            found += b"\n".join(b"%b %b" % (str(each[0]).encode(), each[1] or b"") for each in headers_of(message))
            found += (message.key() or b"") + b"\n" + (message.value() or b"") + b"\n"
        return found
    finally:
        consumer.close()
