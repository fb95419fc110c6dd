"""The sink fulfils the contract of all sinks."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import ClassVar

from typing_extensions import override

from eventstreams.testing import Ability, Destination, SinkContract
from fake_beanstalkd import FakeBeanstalkd


class TestBeanstalk(SinkContract):
    sink_type = "beanstalk"
    cannot: ClassVar[Mapping[Ability, str]] = {
        "refuse": "beanstalkd refuses no job for what is in it, unless it is too big",
        "rotate": "beanstalkd knows no credentials",
    }

    @override
    @asynccontextmanager
    async def destination(self) -> AsyncIterator[Destination]:
        async with FakeBeanstalkd().listening() as beanstalkd:
            yield beanstalkd
