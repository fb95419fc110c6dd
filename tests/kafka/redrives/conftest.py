"""An installation with a subscription, and its API."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from eventstreams.control.records import Subscription
from eventstreams.settings import Settings
from tests.support.bare_api import BareApi, serving_bare
from tests.support.installation import DELIVERED, SENT, Installation


@pytest.fixture
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(settings) as installation:
        await installation.admin.ensure(installation.topics.worker_specs("webhook"))
        yield installation


@pytest.fixture
async def api(installation: Installation) -> AsyncIterator[BareApi]:
    async with serving_bare(installation.settings, installation.account_sid) as api:
        yield api


@pytest.fixture
async def subscription(installation: Installation) -> Subscription:
    return await installation.subscribe(await installation.add_sink("https://hooks.example.com/"), SENT, DELIVERED)


# -- one for all tests of a module, each with an account of its own ---------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_house(module_settings: Settings) -> AsyncIterator[Installation]:
    async with Installation(module_settings) as installation:
        await installation.admin.ensure(installation.topics.worker_specs("webhook"))
        yield installation


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(shared_house: Installation) -> AsyncIterator[BareApi]:
    async with serving_bare(shared_house.settings, shared_house.account_sid) as api:
        yield api
