"""Fixtures that every test may ask for."""

import gc
import os
import uuid
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import hypothesis
import pytest
from aiohttp import web_app
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from eventstreams.control.vault import new_key
from eventstreams.memory import much_is_out_of_sight
from eventstreams.settings import Settings
from eventstreams.testing.broker import running_broker
from tests.support import forks
from tests.support.kafka_cluster import CustomersKafka, running_customers_kafka
from tests.support.kinesis import running_moto
from tests.support.postgresql import running_postgresql
from tests.support.qpid import Qpid, running_qpid
from tests.support.schema_registry import running_schema_registry

_UNIT: Final = Path(__file__).parent / "unit"
_OWN_KAFKA: Final = pytest.StashKey[ExitStack]()

hypothesis.settings.register_profile("ours", deadline=None)  # a busy machine is no finding; pytest's own limit holds
hypothesis.settings.load_profile("ours")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kafka",
        default=os.environ.get("EVENTSTREAMS_TEST_KAFKA"),
        help="host:port of a Kafka to test against; default: a broker of our own",
    )
    parser.addoption(
        "--postgresql",
        default=os.environ.get("EVENTSTREAMS_TEST_POSTGRESQL"),
        help="postgresql://… of a database to test against; default: a server of our own",
    )
    parser.addoption(
        "--update-screenshots",
        action="store_true",
        help="write the screenshots in docs/images anew; default: they must be there",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of few and slow tests first: at the end of a run no process waits for another's last file."""
    items.sort(key=lambda item: (not item.get_closest_marker("system"), not item.get_closest_marker("kafka")))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Half a million objects that stay for the run are no garbage: nobody looks for it among them, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture
def all_in_sight() -> Iterator[None]:
    """As in a process that reads no tests: the garbage collector looks at everything, until something is done to it."""
    gc.unfreeze()
    much_is_out_of_sight.cache_clear()
    yield
    gc.freeze()
    much_is_out_of_sight.cache_clear()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Those of ``tests/unit`` come last and need no Kafka: an idle one would only take memory and time from them."""
    if _OWN_KAFKA in item.config.stash and _UNIT in item.path.parents:
        forget_what_has_ended()
        item.config.stash[_OWN_KAFKA].close()
        del item.config.stash[_OWN_KAFKA]


def pytest_unconfigure() -> None:
    forks.end()


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a real Apache Kafka, one for the whole run: nobody kills or freezes it."""
    given: str | None = request.config.getoption("--kafka")
    if given is not None:
        yield given
        return
    with ExitStack() as stack:
        request.config.stash[_OWN_KAFKA] = stack
        yield stack.enter_context(running_broker(tmp_path_factory.mktemp("kafka"), steady=True)).bootstrap


# Whoever else is started has few modules that ask for it, which mostly run in different processes: it ends with each.


@pytest.fixture(scope="module")
def postgresql(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of a real PostgreSQL: tests take schemas of their own in it."""
    given: str | None = request.config.getoption("--postgresql")
    if given is not None:
        yield given
        return
    with running_postgresql() as server:
        yield server.dsn


@pytest.fixture(scope="module")
def schema_registry() -> Iterator[str]:
    """The API of a real schema registry: tests take subjects of their own in it."""
    with running_schema_registry() as url:
        yield url


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """A server that speaks for AWS, one for the whole run: tests make streams of their own in it."""
    with running_moto() as url:
        yield url


@pytest.fixture(scope="module")
def customers_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CustomersKafka]:
    """Somebody else's Kafka, to deliver to: tests make topics of their own in it."""
    with running_customers_kafka(tmp_path_factory.mktemp("customers-kafka")) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def qpid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qpid]:
    """An AMQP broker: tests make queues of their own in it."""
    with running_qpid(tmp_path_factory.mktemp("qpid")) as broker:
        yield broker


@pytest.fixture(scope="session")
def programs() -> Path:
    """A folder for ``PATH`` with an ``eventstreams`` that begins at once: for modules that call it more than thrice."""
    return forks.program().parent


def forget_what_has_ended() -> None:
    """Free the Kafka clients of roles that have ended: each has four threads that go on, and connections to the broker.

    aiohttp remembers the middlewares of a thousand applications, and with them the APIs and gateways that they are of.
    The collector by itself seldom looks at what is old, as so much is out of its sight.
    """
    web_app._cached_build_middleware.cache_clear()
    gc.collect()


@contextmanager
def installation_settings(kafka: str) -> Iterator[Settings]:
    """Settings of an installation of its own on the shared broker; its topics go at the end."""
    prefix = f"t{uuid.uuid4().hex[:10]}."
    yield Settings.load(
        kafka=kafka,
        topic_prefix=prefix,
        replication_factor=1,
        events_partitions=3,
        attempts_partitions=1,
        retry_partitions=2,
        retry_delays="200ms,1s",
        secret_key=new_key(),
        delivery_log="off",
        api_rate_limit=0,  # tests ask as fast as they can; those of the limit set one
        allowed_destinations="127.0.0.0/8",
        api_listen="127.0.0.1:0",
        gateway_listen="127.0.0.1:0",
        admin_listen="127.0.0.1:0",
    )
    forget_what_has_ended()
    admin = AdminClient({"bootstrap.servers": kafka})
    left = [name for name in admin.list_topics(timeout=60).topics if name.startswith(prefix)]
    for future in (admin.delete_topics(left) if left else {}).values():
        try:
            future.result()
        except KafkaException as error:  # what a janitor of the test has just deleted is gone as well
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    """An installation for one test."""
    with installation_settings(kafka) as settings:
        yield settings


@pytest.fixture(scope="module")
def module_settings(kafka: str) -> Iterator[Settings]:
    """An installation that the tests of a module share."""
    with installation_settings(kafka) as settings:
        yield settings
