"""Conversations: opened, joined, written in, read, left and closed; and the users who write in them."""

from dataclasses import dataclass
from typing import Final

from eventstreams.events import Event
from producers.simulator.scene import Scene
from producers.simulator.story import SimulatedProduct, Story

_P_EDITED: Final = 0.1
_P_REMOVED: Final = 0.04
_P_READ: Final = 0.5
_P_RENAMED: Final = 0.2
_P_DELETED: Final = 0.3
_MOST_MESSAGES: Final = 8
_TEXTS: Final = ("Where is my order?", "One moment, please", "It is on its way", "Thank you!", "You are welcome")
_INACTIVE_AFTER_S: Final = 600.0  # the timers of the company's conversations
_CLOSED_AFTER_S: Final = 1200.0
_PREFIX: Final = "com.twilio.conversations"


def conversation(scene: Scene) -> Story:
    """A conversation between a customer and an employee of the company."""
    made = _Conversation(scene.sid("CH"), scene.rng.randrange(10_000), scene.stamp)
    yield made.event(scene, "conversation.added", **made.names(), DateCreated=made.created, State="active")
    agent = _Participant(scene.sid("MB"), scene.pick(scene.company.people), scene.stamp)
    customer = _Participant(scene.sid("MB"), f"customer-{made.number}", scene.stamp)
    for each in (customer, agent):
        scene.wait(0.05, 0.5)
        yield each.event(scene, made, "participant.added")
    if scene.happens(_P_RENAMED):
        scene.wait(0.5, 5)
        names = {**made.names(), "FriendlyName": f"Order {made.number} (late)"}
        yield made.event(
            scene, "conversation.updated", **names, State="active", DateCreated=made.created, DateUpdated=scene.stamp
        )
    for index in range(scene.rng.randrange(1, _MOST_MESSAGES)):
        scene.wait_about(20, spread=0.8)
        writer, reader = (customer, agent) if index % 2 == 0 else (agent, customer)
        yield from _message(scene, made, writer, index)
        if scene.happens(_P_READ):
            scene.wait_about(5)
            yield reader.event(scene, made, "participant.updated", LastReadMessageIndex=index, DateUpdated=scene.stamp)
    scene.wait_about(10)
    yield agent.event(scene, made, "participant.removed", Reason="API", DateRemoved=scene.stamp)
    for before, after, wait_s in (("active", "inactive", _INACTIVE_AFTER_S), ("inactive", "closed", _CLOSED_AFTER_S)):
        scene.wait(wait_s)
        state: dict[str, object] = {"StateFrom": before, "StateTo": after, "Reason": "TIMER"}
        yield made.event(scene, "conversation-state.updated", **state, StateUpdated=scene.stamp)
    if scene.happens(_P_DELETED):
        scene.wait_about(60)
        yield made.event(
            scene,
            "conversation.removed",
            **made.names(),
            State="closed",
            DateCreated=made.created,
            DateRemoved=scene.stamp,
        )


def user(scene: Scene) -> Story:
    """A user signs up, and goes online and offline."""
    sid, identity, created = scene.sid("US"), f"customer-{scene.rng.randrange(10_000)}", scene.stamp
    data: dict[str, object] = {
        "AccountSid": scene.company.account_sid,
        "UserSid": sid,
        "Identity": identity,
        "ChatServiceSid": scene.company.sid("IS"),
        "FriendlyName": identity.title(),
        "RoleSid": scene.company.sid("RL", "user"),
        "Attributes": "{}",
        "DateCreated": created,
    }
    source = f"/v1/Users/{sid}"
    yield scene.event(f"{_PREFIX}.user.added", source, data)
    for online in (True, False):
        scene.wait_about(90)
        changed = {**data, "IsOnline": online, "IsNotifiable": not online, "DateUpdated": scene.stamp}
        yield scene.event(f"{_PREFIX}.user.updated", source, changed)


PRODUCT: Final = SimulatedProduct("conversations", 8, {conversation: 4, user: 1})


@dataclass(frozen=True, slots=True)
class _Conversation:
    sid: str
    number: int
    created: str

    def names(self) -> dict[str, object]:
        return {"FriendlyName": f"Order {self.number}", "UniqueName": f"order-{self.sid[-8:]}"}

    def event(self, scene: Scene, name: str, **more: object) -> Event:
        """An event of the conversation, or of the message or participant that ``more`` names."""
        data = {"AccountSid": scene.company.account_sid, "ConversationSid": self.sid, **more}
        part = next(
            (f"/{kind}s/{more[f'{kind}Sid']}" for kind in ("Message", "Participant") if f"{kind}Sid" in more), ""
        )
        return scene.event(f"{_PREFIX}.{name}", f"/v1/Conversations/{self.sid}{part}", data, key=self.sid)


@dataclass(frozen=True, slots=True)
class _Participant:
    sid: str
    identity: str
    joined: str

    def event(self, scene: Scene, conversation: _Conversation, name: str, **more: object) -> Event:
        return conversation.event(
            scene,
            name,
            ParticipantSid=self.sid,
            Identity=self.identity,
            RoleSid=scene.company.sid("RL", "participant"),
            Attributes="{}",
            DateCreated=self.joined,
            **more,
        )


def _message(scene: Scene, conversation: _Conversation, writer: _Participant, index: int) -> Story:
    about: dict[str, object] = {
        "MessageSid": scene.sid("IM"),
        "Author": writer.identity,
        "ParticipantSid": writer.sid,
        "Attributes": "{}",
        "Index": index,
        "MessageBody": scene.pick(_TEXTS),
        "DateCreated": scene.stamp,
        "MessagingServiceSid": scene.company.sid("MG"),
    }
    yield conversation.event(scene, "message.added", **about)
    if scene.happens(_P_EDITED):
        scene.wait_about(8)
        edited = {**about, "MessageBody": f"{about['MessageBody']} (edited)", "DateUpdated": scene.stamp}
        yield conversation.event(scene, "message.updated", **edited)
    if scene.happens(_P_REMOVED):
        scene.wait_about(8)
        yield conversation.event(scene, "message.removed", **about, DateRemoved=scene.stamp)
