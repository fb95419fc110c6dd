"""Creates topics of copies again if somebody deleted them by hand."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from eventstreams.errors import BrokerUnreachableError, TopicError
from eventstreams.kafka.admin import KafkaAdmin
from eventstreams.settings import Settings
from eventstreams.telemetry.logging import get_logger
from eventstreams.topics import Topics
from router.planning.matcher import Matcher

_log = get_logger(__name__)
_CATCH_UP_S: Final = 10.0  # reading the control topic takes milliseconds


class TopicRestorer:
    """Creates missing topics that are still wanted. Called on the lane's thread; talks to brokers on the event loop."""

    def __init__(
        self,
        settings: Settings,
        admin: KafkaAdmin,
        matcher: Matcher,
        *,
        catch_up: Callable[[], Awaitable[None]],
        within_s: float = _CATCH_UP_S,
    ) -> None:
        """``catch_up`` returns once ``matcher`` has applied all of the control topic; it may take ``within_s``."""
        self._topics = Topics(settings)
        self._admin = admin
        self._matcher = matcher
        self._catch_up = catch_up
        self._within_s = within_s
        self._loop = asyncio.get_running_loop()

    def __call__(self, topics: set[str]) -> set[str] | None:
        """See ``router.copying.copies.Restore``."""
        return asyncio.run_coroutine_threadsafe(self._restore(topics), self._loop).result()

    async def _restore(self, topics: set[str]) -> set[str] | None:
        try:
            missing = topics - (await self._admin.topics()).keys()
            if missing:
                # After the listing: a topic that is gone because its subscription was deleted has no route by then,
                # and is not created again for nobody. It would stay until everything on it had expired.
                async with asyncio.timeout(self._within_s):
                    await self._catch_up()
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
        except (BrokerUnreachableError, TimeoutError) as error:
            problem = str(error) or "the control topic, which tells which topics are missing, cannot be read"
            _log.error("topics.not_restored", error=problem, follows="routing waits and retries")
            return None
        except TopicError as error:
            _log.error("topics.not_restored", error=str(error), follows="it is retried, then the topics are avoided")
            return set()
        gone = missing - {spec.name for spec in specs}
        if missing:
            _log.warning("topics.restored", count=len(missing) - len(gone), gone=len(gone))
        return gone
