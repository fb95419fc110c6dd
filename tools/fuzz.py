"""Coverage-guided fuzzing (Atheris: libFuzzer) of code that reads bytes from outside: ``python -m tools.fuzz TARGET``.

A target takes bytes and returns. An exception, and input that takes ten seconds or 2 GiB, is a finding, which libFuzzer
writes to a file. Arguments after the target's name go to libFuzzer: ``-runs=10000``, ``-max_total_time=60``.
"""

import asyncio
import atexit
import base64
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import atheris
import orjson
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from typing_extensions import override

with atheris.instrument_imports(include=["eventstreams", "producers", "control_api", "sink_workers"]):
    from pydantic import SecretStr, ValidationError

    from control_api.console import config_form, figures
    from control_api.http import forms, paging
    from eventstreams.catalog import Catalog
    from eventstreams.codec import Codec, CodecProblem
    from eventstreams.control.records import SubscribedType
    from eventstreams.errors import InvalidEventError
    from eventstreams.filters import FilterChecker, FilterError
    from eventstreams.headers import DeliveryProgress, Envelope
    from eventstreams.http import RefusedError
    from eventstreams.http.auth import parse_basic
    from eventstreams.testing.certificates import CertificateAuthority
    from producers.cloudevents import CloudEventParser
    from producers.encoder import EventEncoder
    from producers.outcomes import Invalid
    from producers.strict_json import parse_json
    from sink_workers.plugins.kafka.config import KafkaConfig
    from sink_workers.plugins.webhook.answer import excerpt
    from sink_workers.plugins.webhook.config import WebhookConfig
    from sink_workers.plugins.webhook.connection import BadAnswerError, Connection, LostError
    from sink_workers.plugins.webhook.judge import judge

_LIMITS: Final = ("-timeout=10", "-rss_limit_mb=2048", "-max_len=4096")
_CATALOG: Final = Catalog.load()
_CODEC: Final = Codec(_CATALOG, schema_base_url="https://schemas.example")
_SCHEMAS: Final = [schema.latest for _, schema in sorted(_CATALOG.schemas.items())]
_PARSER: Final = CloudEventParser(_CATALOG)
_ENCODER: Final = EventEncoder(_CATALOG, _CODEC)
_CHECKER: Final = FilterChecker(_CATALOG)
_PAIR: Final = CertificateAuthority.new().issue("client.example")
_FIELDS: Final = config_form.fields_of(WebhookConfig)
_LOOP: Final = asyncio.new_event_loop()
_TYPES: Final = (SubscribedType(type="com.twilio.messaging.message.sent", schema_version=1),)


def envelope(data: bytes) -> None:
    """The headers of a record."""
    found = atheris.FuzzedDataProvider(data)
    names = ["ce_id", "ce_type", "ce_source", "ce_specversion", "ce_time", "ce_dataschema", "ce_accountsid"]
    names += ["ce_subject", "ce_partitionkey", "es_accepted_at", "es_deadline", "es_subscription", "es_attempt"]
    names += ["es_not_before", "es_first_attempt_at", "es_origin", "es_reason", "es_code", "es_detail"]
    headers = {name: found.ConsumeBytes(found.ConsumeIntInRange(0, 60)) for name in names if found.ConsumeBool()}
    Envelope.parse(headers)
    DeliveryProgress.parse(headers)


def avro(data: bytes) -> None:
    """The value of a record, for any schema, decoded as written (the newest version) and as the first version."""
    schema = _SCHEMAS[data[0] % len(_SCHEMAS)] if data else _SCHEMAS[0]
    for version in (None, 1):
        found = _CODEC.decode(_CODEC.dataschema(schema), data[1:], version=version)
        assert isinstance(found, CodecProblem | dict)
        if isinstance(found, dict) and version is None:
            assert _CODEC.decode(_CODEC.dataschema(schema), _CODEC.encode(schema, found)) == found


def event(data: bytes) -> None:
    """A CloudEvent as received by the gateway."""
    value = parse_json(data)
    if isinstance(value, Invalid):
        return
    parsed = _PARSER.parse(value, account_sid="AC" + "0" * 32)
    if not isinstance(parsed, Invalid):
        _ENCODER.encode(parsed)


def form(data: bytes) -> None:
    """The body of a form for the API, and a page token."""
    for read in (forms._read_form, lambda body: paging.mark_of(body.decode("latin-1"))):  # noqa: SLF001 - what is inside
        try:
            read(data)
        except RefusedError:
            continue


def filter_text(data: bytes) -> None:
    """The text of a filter."""
    try:
        _CHECKER.check(data.decode("utf-8", "surrogateescape"), _TYPES)
    except FilterError:
        return


def authorization(data: bytes) -> None:
    """An ``Authorization`` header."""
    parse_basic(data.decode("utf-8", "surrogateescape"))


def destination(data: bytes) -> None:
    """Hosts in the configuration of sinks."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        config = WebhookConfig(destination=f"http://{text}")
    except ValidationError:
        return
    assert "\r" not in config.url
    assert "\n" not in config.url
    try:
        KafkaConfig(bootstrap_servers=text, topic="t", tls=False)
    except ValidationError:
        return


def key(data: bytes) -> None:
    """A sink's own key, in PEM around any bytes, for TLS."""
    lines = base64.encodebytes(data).decode()
    pem = f"-----BEGIN PRIVATE KEY-----\n{lines}-----END PRIVATE KEY-----\n"
    try:
        WebhookConfig(destination="https://a.example", client_certificate=_PAIR.certificate, client_key=SecretStr(pem))
    except ValidationError:
        return


def answer(data: bytes) -> None:
    """The response of a webhook receiver, in chunks."""
    _LOOP.run_until_complete(_answered(data))


async def _answered(data: bytes) -> None:
    connection = Connection(body_bytes=256, body_s=60.0, on_lost=lambda _: None)
    connection.connection_made(_Wire())
    waiting = connection.exchange(b"", 60.0)
    size = 1 + data[0] if data else 1
    for start in range(1, len(data), size):
        chunk = data[start : start + size]
        connection.get_buffer(-1)[: len(chunk)] = chunk
        connection.buffer_updated(len(chunk))
    connection.eof_received()
    connection.connection_lost(None)
    if waiting.exception() is None:
        said = waiting.result()
        text = excerpt(said.body, ["secret"])
        judge(said.status, retry_after=said.retry_after, answer=text, events=1, now=datetime.now(UTC))
    else:
        assert isinstance(waiting.exception(), LostError | BadAnswerError)


class _Wire(asyncio.Transport):
    """A transport that goes nowhere."""

    @override
    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Discard ``data``."""

    @override
    def close(self) -> None:
        """Do nothing."""

    @override
    def abort(self) -> None:
        """Do nothing."""

    @override
    def get_write_buffer_size(self) -> int:
        return 0


def console(data: bytes) -> None:
    """Input in the console's forms and URLs."""
    text = data.decode("utf-8", "replace")
    for each in _FIELDS:
        orjson.dumps(config_form.read(_FIELDS, {each.name: text}))
    figures.instant(text)
    figures.field_time(figures.utc(text))
    figures.shown(text).encode()


def planted(data: bytes) -> None:
    """A planted bug that only coverage guidance finds soon: shows that this fuzzing can find bugs."""
    if len(data) > 3 and data[0] == 0x42 and data[1] == 0x55 and data[2] == 0x47:  # noqa: PLR2004 - "BUG"
        raise InvalidEventError("planted", path="$")


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "envelope": envelope,
    "avro": avro,
    "event": event,
    "form": form,
    "filter": filter_text,
    "authorization": authorization,
    "destination": destination,
    "key": key,
    "answer": answer,
    "console": console,
    "planted": planted,
}


def seeds(name: str) -> list[bytes]:
    """Seed inputs of a target: without them, fuzzing would first have to discover JSON by chance."""
    examples = [each.example.read_bytes() for each in _CATALOG.schemas.values() if each.example.is_file()]
    match name:
        case "avro":
            return [
                bytes([at % 256])
                + _CODEC.encode(each, orjson.loads(_CATALOG.schemas[each.schema_id].example.read_bytes()))
                for at, each in enumerate(_SCHEMAS)
                if _CATALOG.schemas[each.schema_id].example.is_file()
            ]
        case "event":
            start = b'{"specversion":"1.0","type":"com.twilio.messaging.message.sent","source":"/m/1","id":"1","data":'
            return [start + each + b"}" for each in examples]
        case "form":
            return [b"Description=d&SinkType=webhook&Types=%7B%22type%22%3A%22a%22%7D", b"PTMC5EUw"]
        case "filter":
            return [
                b'data.to == "+1" && (type.startsWith("com") || size(source) > 3)',
                b"data.x in [1, 2] ? true : false",
            ]
        case "authorization":
            return [b"Basic QUM6dG9rZW4=", b"basic ", b"Bearer x"]
        case "destination":
            return [
                b"user:password@hooks.example.com:8080/a?b#c",
                b"[::ffff:127.0.0.1]:80",
                b"k1.example.com:9092,[::1]:9093",
            ]
        case "key":
            der = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            made = (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP256R1()))
            return [each.private_bytes(*der) for each in made]
        case "answer":
            chunked = b"HTTP/1.1 429 No\r\nRetry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\n"
            return [
                b"\xff" + chunked + b"2;a=b\r\nok\r\n0\r\nA: b\r\n\r\n",
                b"\x03HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                b"\x10HTTP/1.0 503 No\r\nRetry-After: Fri, 27 Nov 2026 04:00:00 GMT\r\n\r\nsecret",
            ]
        case "console":
            return [b"2026-03-29T06:00:01+02:00", b'["a", {"b": 1}]', b"1e99", b"X-A: b\nX-B: c", b"12"]
        case _:
            return [b"B"]


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:  # noqa: PLR2004 - the name
        sys.exit(f"python -m tools.fuzz {'|'.join(TARGETS)} [what libFuzzer takes]")
    name, given = sys.argv[1], sys.argv[2:]
    corpus = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for number, seed in enumerate(seeds(name)):
        (corpus / str(number)).write_bytes(seed)
    atexit.register(shutil.rmtree, corpus, ignore_errors=True)
    atheris.Setup([sys.argv[0], *_LIMITS, *given, str(corpus)], atheris.instrument_func(TARGETS[name]))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
