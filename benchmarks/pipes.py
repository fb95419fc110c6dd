"""A worker that delivers to Kafka, AMQP, mail, SQS, Segment or a webhook: from fetched records to settled ones.

``python -m benchmarks.pipes kafka`` (or ``amqp``, ``email``, ``segment``, ``sqs``, ``webhook``) delivers to a real
broker or mail server on this machine, in the last three cases to a stand-in that accepts everything, as an emulator
would be the bottleneck. The destination is a process of its own. ``--batches``: webhooks with up to 100 events each.
"""

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import orjson

from benchmarks.events import average_bytes, encoded
from benchmarks.measure import load, machine
from benchmarks.worker import records_for, tell_round
from eventstreams.sinks import MailSecurity, MailServer
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.sinks.registry import load_plugin
from sink_workers.memory import looking_seldom
from tests.support.kafka_cluster import running_customers_kafka
from tests.support.kinesis import ACCOUNT, OWN_KEY, REGION
from tests.support.mail import SENDER, TO, mail_server
from tests.support.qpid import PASSWORD, USER, queue_in, running_qpid

_ROUNDS: Final = 3
_PARTITIONS: Final = 3
_EMAIL: Final = "email"
_DIGEST: Final = 1000  # events: the most in one mail
_LINGER_S: Final = 0.5  # for the last mail, which is not full

Config = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FarEnd:
    """Where events are delivered to. ``mail`` is the operator's mail server, if they go by mail."""

    config: Config
    mail: MailServer | None = None


@contextmanager
def _kafka(folder: Path) -> Iterator[FarEnd]:
    with running_customers_kafka(folder) as kafka:
        topic = kafka.create_topic(_PARTITIONS)
        yield FarEnd({"bootstrap_servers": kafka.bootstrap, "topic": topic, "tls": False})


@contextmanager
def _amqp(folder: Path) -> Iterator[FarEnd]:
    async def declare() -> str:
        async with queue_in(qpid) as queue:
            return queue.name

    with running_qpid(folder) as qpid:
        where = {"host": "127.0.0.1", "port": qpid.port, "tls": False, "username": USER, "password": PASSWORD}
        yield FarEnd({**where, "routing_key": asyncio.run(declare())})


@contextmanager
def _email(_: Path) -> Iterator[FarEnd]:
    with _stand_in(_EMAIL) as port:
        server = MailServer(host="127.0.0.1", port=int(port), security=MailSecurity.NONE, sender=SENDER)
        yield FarEnd({"to": TO, "max_events": _DIGEST}, server)


@contextmanager
def _sqs(_: Path) -> Iterator[FarEnd]:
    with _stand_in("sqs") as url:
        os.environ["AWS_ENDPOINT_URL_SQS"] = url
        key = {"access_key_id": OWN_KEY.id, "secret_access_key": OWN_KEY.secret}
        yield FarEnd({"arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:benchmark", **key})


@contextmanager
def _segment(_: Path) -> Iterator[FarEnd]:
    with _stand_in("segment") as url:
        yield FarEnd({"write_key": "the-key", "endpoint": url})


@contextmanager
def _stand_in(sink_type: str) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.pipes", sink_type, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def _webhook(_: Path) -> Iterator[FarEnd]:
    with _stand_in("webhook") as url:
        yield FarEnd({"destination": url, "method": "POST"})


def _taken_by_sqs(body: bytes) -> bytes:
    entries = orjson.loads(body)["Entries"]
    return orjson.dumps({"Successful": [{"Id": each["Id"], "MessageId": "m"} for each in entries]})


def _taken_by_segment(body: bytes) -> bytes:
    return b'{"success":true}' if body.startswith(b'{"batch":[') else b'{"success":false}'


_ANSWERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "segment": _taken_by_segment,
    "sqs": _taken_by_sqs,
    "webhook": lambda _: b"",
}


async def _serve(sink_type: str) -> None:
    """Serve as much of the destination as a worker needs: everything is accepted."""

    async def take_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
                length = next(int(line[15:]) for line in head if line.startswith(b"content-length:"))
                answer = _ANSWERS[sink_type](await reader.readexactly(length))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(take_all, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
    await server.serve_forever()


async def _serve_mail() -> None:
    """Run the contract tests' server, which parses every mail and each event in it, and keeps them."""
    async with mail_server() as mailbox:
        print(mailbox.port, flush=True)
        await asyncio.Event().wait()


_FAR_ENDS: Final[Mapping[str, Callable[[Path], AbstractContextManager[FarEnd]]]] = {
    "amqp": _amqp,
    _EMAIL: _email,
    "kafka": _kafka,
    "segment": _segment,
    "sqs": _sqs,
    "webhook": _webhook,
}


def _plugin(sink_type: str) -> AnySinkPlugin:
    """Return the plugin of the type; for mail without the pause between mails, which is not to be measured."""
    plugin = load_plugin(sink_type)
    if sink_type != _EMAIL:
        return plugin
    return replace(
        plugin, capabilities=lambda config: replace(plugin.capabilities(config), pause_s=0.0, linger_s=_LINGER_S)
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipes", description=__doc__)
    parser.add_argument("sink_type", choices=sorted(_FAR_ENDS))
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--batches", action="store_true", help="webhooks of up to 100 events")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(_serve_mail() if given.sink_type == _EMAIL else _serve(given.sink_type))
        return
    print(f"{machine()}; load {load()}")
    print(f"{given.events:,} events, {average_bytes(encoded(min(given.events, 2_000)))}, to {given.sink_type}:")
    records = records_for(given.sink_type, given.events)
    with TemporaryDirectory() as folder, _FAR_ENDS[given.sink_type](Path(folder)) as found:
        to = replace(found, config={**found.config, "batch_events": True}) if given.batches else found
        with looking_seldom():  # like a worker; and the waiting records are not to be traversed
            for _ in range(_ROUNDS):
                asyncio.run(tell_round(_plugin(given.sink_type), records, to.config, mail=to.mail))


if __name__ == "__main__":
    main()
