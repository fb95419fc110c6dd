"""Makes a router with a name in its group give way to a process that joined later with the same name.

aiokafka's heartbeats do not carry the name (``group.instance.id``), so Kafka answers not that another process has it
but that it does not know the member, as after a session time-out. aiokafka then joins again and so takes the name back:
two routers with one name would remove each other from the group forever, and nobody would be told.
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
        holder: Returns the id of the member that has it; None if nobody has, or it is not known. Blocks.
        taken: Called on the client's thread when another process has it.
    """

    holder: Callable[[], str | None]
    taken: Callable[[], object]


class Member(GroupCoordinator):  # type: ignore[misc]  # the library has no types
    """aiokafka's group member; after Kafka removed it from the group, it checks who has its name before it rejoins.

    It checks once only, for after that the name may be its own again: the response to a join request can get lost.
    """

    name: Name | None = None
    refusals: Refusals | None = None  # None: refusals are not reported
    _was = ""  # its id when it was removed, until it has checked

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
        except KafkaError:  # aiokafka has no error for another process that joins meanwhile
            if await self._gave_way(self.member_id):
                return False
            raise
        if is_in and self.refusals is not None:
            self.refusals.allowed("group", [self.group_id])
            self.refusals.allowed("topic", self.refusals.topics)
        return is_in

    @override
    async def _push_error_to_user(self, exc: Exception) -> None:
        """Report what Kafka's ACLs do not allow, and try again; aiokafka would wait forever for a call to raise it in.

        If the member was in the group already, the error ends the process, like any other.
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
        """Return whether a member other than ``ours`` has the name; if so, return only once this consumer closes."""
        if self.name is None or not ours or await asyncio.to_thread(self.name.holder) in {None, ours}:
            return False
        self.name.taken()
        await asyncio.wait([self._closing])
        return True


def watch_names() -> None:
    """Make all consumers that this process starts from now on use ``Member``; aiokafka has no option for it."""
    consumer.GroupCoordinator = Member
