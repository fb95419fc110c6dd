"""Creates what a run needs in the installation, through its API as users do, and removes it again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import orjson

from eventstreams.catalog import Catalog
from eventstreams.client import ApiError, AsyncEventStreams, Connection
from eventstreams.errors import EventStreamsError
from eventstreams.verify.behaviours import Behaviour, Listener
from eventstreams.verify.plan import types_for
from eventstreams.verify.publishing import Login

NAME: Final = "eventstreams verify"
_CLEAN_S: Final = 60.0

Say = Callable[[str, str], None]
"""Called with what happens: what it is about, and a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What is verified. ``api`` and ``gateway`` are URLs without a path.

    Attributes:
        login: An existing account; None: two are created, as the operator.
        operator_token: The operator's token; needed if there is no ``login``.
    """

    api: str
    gateway: str
    login: Login | None = None
    operator_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sink with its subscription, to be created."""

    name: str
    behaviour: Behaviour
    destination: str
    authority: str
    standard_secret: str | None


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A sink and its subscription that were created for ``wanted``."""

    wanted: Wanted
    sink_sid: str
    subscription_sid: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """The account that subscribes and publishes, and one that publishes events for no subscription, if there is one."""

    subscriber: Login
    other_account: Login | None


@asynccontextmanager
async def accounts_of(installation: Installation, say: Say) -> AsyncIterator[Accounts]:
    """The given account, or two that exist only while inside.

    Raises:
        EventStreamsError: there is neither an account nor an operator's token, or the operator is refused.
    """
    if installation.login is not None:
        yield Accounts(installation.login, None)
        return
    token = installation.operator_token
    if token is None:
        raise EventStreamsError("there are neither account nor operator credentials")
    async with Connection(installation.api, "operator", token) as operator, AsyncExitStack() as stack:
        made = []
        for name in (NAME, f"{NAME}: a stranger"):
            account = await operator.post("/operator/v1/Accounts", [("FriendlyName", name)])
            made.append(Login(str(account["sid"]), str(account["auth_token"])))
            stack.push_async_callback(_close, operator, made[-1].account_sid, say)
        yield Accounts(*made)


@asynccontextmanager
async def subscribed(
    installation: Installation, subscriber: Login, wanted: Sequence[Wanted], say: Say
) -> AsyncIterator[Sequence[Subscribed]]:
    """Create the sinks and subscriptions ``wanted``, which exist only while inside.

    Raises:
        ApiError: the API refuses one.
    """
    catalog = Catalog.load()
    async with (
        AsyncEventStreams(installation.api, subscriber.account_sid, subscriber.auth_token) as api,
        AsyncExitStack() as stack,
    ):
        made = []
        for position, each in enumerate(wanted):
            sink = await api.connection.post("/v1/Sinks", _sink(each))
            stack.push_async_callback(_remove, api.connection, f"/v1/Sinks/{sink['sid']}", say)
            subscription = await api.connection.post(
                "/v1/Subscriptions",
                [
                    ("Description", f"{NAME}: {each.name}"),
                    ("SinkSid", str(sink["sid"])),
                    *[("Types", _type(catalog, name)) for name in types_for(position)],
                ],
            )
            made.append(Subscribed(each, str(sink["sid"]), str(subscription["sid"])))
            stack.push_async_callback(_remove, api.connection, f"/v1/Subscriptions/{subscription['sid']}", say)
            if each.behaviour.ttl is not None:
                await api.set_subscription_delivery(str(subscription["sid"]), ttl=each.behaviour.ttl)
        yield made


async def ttl_of(api: AsyncEventStreams, made: Sequence[Subscribed]) -> timedelta:
    """How long the installation tries an event if the subscription does not set it."""
    asked = [await api.subscription_delivery(each.subscription_sid) for each in made]
    return timedelta(seconds=max(each.ttl for each in asked))


def _sink(wanted: Wanted) -> Sequence[tuple[str, str]]:
    configuration: dict[str, object] = {
        "destination": wanted.destination,
        "batch_events": wanted.behaviour.batches,
    }
    if wanted.standard_secret is not None:
        configuration["standard_webhooks"] = {"secret": wanted.standard_secret}
    if wanted.behaviour.listener is Listener.TLS:
        configuration["ca_certificate"] = wanted.authority
    return [
        ("Description", f"{NAME}: {wanted.name}"),
        ("SinkType", "webhook"),
        ("SinkConfiguration", orjson.dumps(configuration).decode()),
    ]


def _type(catalog: Catalog, name: str) -> str:
    """The subscribed type, in the version in which events are published, so that data must arrive unchanged."""
    schema = catalog.newest_schema(name)
    assert schema is not None
    return orjson.dumps({"type": name, "schema_version": schema.version}).decode()


async def _remove(ask: Connection, path: str, say: Say) -> None:
    """Delete what was created. A failure to do so is reported, but does not change the run's result."""
    try:
        async with asyncio.timeout(_CLEAN_S):
            await ask.delete(path)
    except (ApiError, TimeoutError) as error:
        say("left behind", f"{path}: {str(error) or type(error).__name__}")


async def _close(operator: Connection, account_sid: str, say: Say) -> None:
    path = f"/operator/v1/Accounts/{account_sid}"
    try:
        async with asyncio.timeout(_CLEAN_S):
            await operator.post(path, [("Status", "closed")])
    except (ApiError, TimeoutError) as error:
        say("left behind", f"{path}: {str(error) or type(error).__name__}")
