"""A router that has a name in its group gives way to a process that joined with the same name after it.

aiokafka's heartbeats do not carry the name, so Kafka does not say that somebody else has it, but that it does not know
the member, as after a silence of more than a session. aiokafka joins again, and so takes the name back: two routers
with one name would put each other out for ever, and nobody would be told.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.consumer import consumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError
from typing_extensions import override

from eventstreams.kafka.refusals import Refusals

_AGAIN_S: Final = 1.0  # what Kafka refused may be allowed by then


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a router in its group.

    Attributes:
        holder: The id of the member that has it; None: nobody has, or that is not known. Blocks.
        taken: Called, on the client's thread, when it is another process that has it.
    """

    holder: Callable[[], str | None]
    taken: Callable[[], object]


class Member(GroupCoordinator):  # type: ignore[misc]  # the library has no types
    """aiokafka's member of a group; where Kafka put it out, it looks who has its name before it joins again.

    Once only, for then the name may be its own again: the answer to a member that joins can be lost.
    """

    name: Name | None = None
    refusals: Refusals | None = None  # of whoever has none it is not said
    _was = ""  # its id when it was put out, until it has looked

    @override
    def reset_generation(self) -> None:
        self._was = self.member_id or self._was
        super().reset_generation()

    @override
    async def _do_rejoin_group(self, subscription: Any) -> bool:
        was, self._was = self._was, ""
        if await self._gave_way(was):
            return False
        try:
            is_in = bool(await super()._do_rejoin_group(subscription))
        except KafkaError:  # aiokafka has no name for what it gets if another process joins while it does
            if await self._gave_way(self.member_id):
                return False
            raise
        if is_in and self.refusals is not None:
            self.refusals.allowed("group", [self.group_id])
            self.refusals.allowed("topic", self.refusals.topics)
        return is_in

    @override
    async def _push_error_to_user(self, exc: Exception) -> None:
        """Say what Kafka's ACLs do not allow, and try again; aiokafka would wait for ever for somebody who asks.

        Where it was in the group already the process ends with it, as with any other error.
        """
        is_refusal = isinstance(exc, (GroupAuthorizationFailedError, TopicAuthorizationFailedError))
        if self.refusals is None or not is_refusal:
            await super()._push_error_to_user(exc)
            return
        if isinstance(exc, GroupAuthorizationFailedError):
            self.refusals.refused("group", self.group_id)
        else:
            for topic in sorted(self._subscription.subscription.topics):
                self.refusals.refused("topic", topic)
        if self.generation >= 0:
            await super()._push_error_to_user(exc)
        else:
            await asyncio.wait([self._closing], timeout=_AGAIN_S)

    async def _gave_way(self, ours: str) -> bool:
        """Whether another member than ``ours`` has its name; if so, it returns when this process ends."""
        if self.name is None or not ours or await asyncio.to_thread(self.name.holder) in {None, ours}:
            return False
        self.name.taken()
        await asyncio.wait([self._closing])
        return True


def watch_names() -> None:
    """Have every consumer of this process that starts from now on do so; there is no other way in."""
    consumer.GroupCoordinator = Member
