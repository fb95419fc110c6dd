"""A router's membership of its group: whether it still is a member, and whose its name is.

A process that was frozen, or cut off, for longer than its session may have been removed from the group: others read its
partitions. aiokafka hears of it with the next heartbeat, and until then reads on.

aiokafka's heartbeats do not carry the name (``group.instance.id``), so Kafka answers not that another process has it
but that it does not know the member, as after a session time-out. aiokafka then joins again and so takes the name back:
two routers with one name would remove each other from the group forever, and nobody would be told.
"""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.consumer import consumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import (
    ConsumerStoppedError,
    GroupAuthorizationFailedError,
    KafkaError,
    NoError,
    RebalanceInProgressError,
    TopicAuthorizationFailedError,
)
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from typing_extensions import override

from eventstreams.kafka.refusals import Refusals
from eventstreams.telemetry.logging import get_logger
from eventstreams.times import elapsed_s

_log = get_logger(__name__)
_CONFIRMED_BY: Final = (HeartbeatRequest, SyncGroupRequest)
_STILL_MEMBER: Final = {NoError.errno, RebalanceInProgressError.errno}
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
    """aiokafka's group member, which knows until when it certainly is one.

    After Kafka removed it from the group, it checks who has its name before it rejoins. It checks once only, for after
    that the name may be its own again: the response to a join request can get lost.
    """

    name: Name | None = None
    refusals: Refusals | None = None  # None: refusals are not reported
    _was = ""  # its id when it was removed, until it has checked
    _confirmed_at = -math.inf  # when the last request was sent to which Kafka answered that it is a member
    _news: "asyncio.Future[None] | None" = None  # of a confirmation or an error; None: nobody waits for it

    async def confirmed(self) -> None:
        """Return once it is certain that this was a member of its group less than a session ago.

        This is at once, but after a freeze, or when the group's coordinator has not answered for a session. Kafka
        starts a member's session when it gets a heartbeat, so not before that was sent.

        Raises:
            ConsumerStoppedError: the client closes.
            KafkaError: something after which the client does not ask Kafka again.
        """
        if self.is_confirmed():
            return
        _log.warning(
            "router.membership_unconfirmed",
            session_s=self._session_timeout_ms / 1000,
            follows="nothing is copied until Kafka has answered, because others may have its partitions",
        )
        with self._subscription.fetch_context():  # or it would be so idle that it leaves its group
            while not self.is_confirmed():
                # aiokafka raises its errors in a fetch, and asks nothing more until it has; here is none.
                self.check_errors()
                if self._closing.done():
                    raise ConsumerStoppedError
                if self._news is None:
                    self._news = asyncio.get_running_loop().create_future()
                await asyncio.wait(
                    [self._news, self._closing, self._coordination_task], return_when=asyncio.FIRST_COMPLETED
                )

    def is_confirmed(self) -> bool:
        """Return whether ``confirmed`` would return at once. May be called on any thread."""
        session_s: float = self._session_timeout_ms / 1000
        return elapsed_s() - self._confirmed_at < session_s

    @override
    async def _send_req(self, request: Any) -> Any:
        sent_at, generation = elapsed_s(), self.generation
        response = await super()._send_req(request)
        is_late = self.generation != generation  # on another connection Kafka has refused this member meanwhile
        if isinstance(request, _CONFIRMED_BY) and response.error_code in _STILL_MEMBER and not is_late:
            self._confirmed_at = sent_at
            self._tell_who_waits()
        return response

    def _tell_who_waits(self) -> None:
        if self._news is not None:
            self._news.set_result(None)
            self._news = None

    @override
    def reset_generation(self) -> None:
        self._was = self.member_id or self._was
        self._confirmed_at = -math.inf
        super().reset_generation()

    @override
    async def ensure_active_group(self, subscription: Any, prev_assignment: Any) -> Any:
        """Join, also after having tried for longer than a client may be idle: Faust fetches nothing until it has."""
        with self._subscription.fetch_context():
            pass  # idle since now. Not around the join: an error would leave the context open, and it never idle again
        return await super().ensure_active_group(subscription, prev_assignment)

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
            await self._raise_in_a_call(exc)
            return
        if isinstance(exc, GroupAuthorizationFailedError):
            self.refusals.refused("group", self.group_id)
        else:
            for topic in sorted(self._subscription.subscription.topics):
                self.refusals.refused("topic", topic)
        if self.generation >= 0:
            await self._raise_in_a_call(exc)
        else:
            await asyncio.wait([self._closing], timeout=_AGAIN_S)

    async def _raise_in_a_call(self, exc: Exception) -> None:
        raised = super()._push_error_to_user(exc)
        self._tell_who_waits()  # aiokafka tells only those that fetch
        await raised

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
