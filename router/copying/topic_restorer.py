"""Topics that copies go to, made again where somebody removed them by hand."""

import asyncio

from eventstreams.errors import BrokerUnreachableError, TopicError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from eventstreams.topics import Topics
from router.planning.matcher import Matcher

_log = get_logger(__name__)


class TopicRestorer:
    """Makes what is missing and still wanted. Called on the lane's thread; what is asked of brokers, the loop asks."""

    def __init__(self, settings: Settings, admin: KafkaAdmin, matcher: Matcher) -> None:
        self._topics = Topics(settings)
        self._admin = admin
        self._matcher = matcher
        self._loop = asyncio.get_running_loop()

    def __call__(self, topics: set[str]) -> set[str] | None:
        """See ``router.copying.copies.Restore``."""
        return asyncio.run_coroutine_threadsafe(self._restore(topics), self._loop).result()

    async def _restore(self, topics: set[str]) -> set[str] | None:
        try:
            missing = topics - (await self._admin.topics()).keys()
            routes = [route for topic in missing if (route := self._matcher.route_to(topic))]
            specs = [
                self._topics.subscription_spec(route.sink_type, route.subscription_sid, partitions=route.partitions)
                for route in routes
            ]
            if self._topics.router_dead in missing:
                specs += self._topics.base_specs()
            specs += [
                spec
                for topic in missing
                if (sink_type := self._topics.sink_type_of_retry(topic))
                for spec in self._topics.worker_specs(sink_type)
            ]
            await self._admin.ensure(specs)
        except BrokerUnreachableError as error:
            _log.error("topics.not_restored", error=str(error), follows="routing waits and tries again")
            return None
        except TopicError as error:
            _log.error("topics.not_restored", error=str(error), follows="it is tried again, then they are avoided")
            return set()
        gone = missing - {spec.name for spec in specs}
        if missing:
            _log.warning("topics.restored", count=len(missing) - len(gone), gone=len(gone))
        return gone
