"""Conversations: a class for each event type.

Written by ``eventstreams generate-producers`` from the catalogue: change it there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from typing_extensions import override

from eventstreams.events import Event
from producers.product_event import Data, ProductEvent, Record, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagingBinding(Record):
    """How a phone takes part in a conversation."""

    proxy_address: str | None = None
    """Number that the phone writes to."""
    projected_address: str | None = None
    """Number that the others see in a group text; absent outside of group texts."""
    author_address: str | None = None
    """Number of whoever wrote the first message."""
    address: str | None = None
    """Number of the phone itself, in E.164 or with a channel's prefix."""

    @override
    def as_data(self) -> Data:
        return {
            "ProxyAddress": self.proxy_address,
            "ProjectedAddress": self.projected_address,
            "AuthorAddress": self.author_address,
            "Address": self.address,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailBinding(Record):
    """How somebody takes part by e-mail."""

    projected_address: str | None = None
    """Address that the others see."""
    name: str | None = None
    """Name that goes with the address."""

    @override
    def as_data(self) -> Data:
        return {
            "ProjectedAddress": self.projected_address,
            "Name": self.name,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings(Record):
    """How somebody takes part through other channels."""

    email: EmailBinding | None = None
    """The e-mail side; absent where there is none."""

    @override
    def as_data(self) -> Data:
        return {
            "Email": plain(self.email),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Media(Record):
    """A file that came with a message."""

    media_sid: str | None = None
    """SID of the file, ME and 32 hexadecimal digits."""
    filename: str | None = None
    """Its name, as sent."""
    content_type: str | None = None
    """Its media type, such as image/png."""
    size: int | None = None
    """Its length in bytes."""

    @override
    def as_data(self) -> Data:
        return {
            "MediaSid": self.media_sid,
            "Filename": self.filename,
            "ContentType": self.content_type,
            "Size": self.size,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationAdded(ProductEvent):
    """A conversation was created (``Conversations.ConversationAdded``, version 2)."""

    TYPE = "com.twilio.conversations.conversation.added"

    conversation_sid: str
    """SID of the conversation, CH and 32 hexadecimal digits."""
    friendly_name: str | None = None
    """Its name for people; absent where it was given none."""
    unique_name: str | None = None
    """Its name for programs, unique in its service; absent where it was given none."""
    state: str | None = None
    """active, inactive or closed."""
    date_created: str | None = None
    """When it was created, RFC 3339 with milliseconds."""
    messaging_service_sid: str | None = None
    """SID of the messaging service that sends its texts; absent in chats without phones."""
    message_body: str | None = None
    """Text of the message that began it; absent where no message did."""
    message_subject: str | None = None
    """Subject of that message; absent where its channel knows none."""
    messaging_binding: MessagingBinding | None = None
    """The phone of whoever began it; absent where that was no phone."""
    bindings: Bindings | None = None
    """Other channels of whoever began it; absent where there are none."""
    author_friendly_name: str | None = None
    """Name of whoever wrote the first message; absent where none is known."""
    media: Sequence[Media] | None = None
    """Files of the first message; absent where it had none."""

    @override
    def event(self) -> Event:
        data: Data = {
            "AccountSid": self.account_sid,
            "ConversationSid": self.conversation_sid,
            "FriendlyName": self.friendly_name,
            "UniqueName": self.unique_name,
            "State": self.state,
            "DateCreated": self.date_created,
            "MessagingServiceSid": self.messaging_service_sid,
            "MessageBody": self.message_body,
            "MessageSubject": self.message_subject,
            "MessagingBinding": plain(self.messaging_binding),
            "Bindings": plain(self.bindings),
            "AuthorFriendlyName": self.author_friendly_name,
            "Media": plain(self.media),
        }
        return self._event(
            data,
            version=2,
            source=f"/v1/Conversations/{self.conversation_sid}",
            key=self.conversation_sid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationUpdated(ProductEvent):
    """A conversation was changed: its names, attributes or service (``Conversations.ConversationUpdated``,
    version 2).
    """

    TYPE = "com.twilio.conversations.conversation.updated"

    conversation_sid: str
    """SID of the conversation, CH and 32 hexadecimal digits."""
    friendly_name: str | None = None
    """Its name for people from now on; absent where it has none."""
    unique_name: str | None = None
    """Its name for programs from now on; absent where it has none."""
    state: str | None = None
    """active, inactive or closed."""
    attributes: str | None = None
    """What the application keeps with it, as JSON text."""
    date_created: str | None = None
    """When it was created, RFC 3339 with milliseconds."""
    date_updated: str | None = None
    """When it was changed, RFC 3339 with milliseconds."""
    messaging_service_sid: str | None = None
    """SID of the messaging service that sends its texts; absent in chats without phones."""

    @override
    def event(self) -> Event:
        data: Data = {
            "AccountSid": self.account_sid,
            "ConversationSid": self.conversation_sid,
            "FriendlyName": self.friendly_name,
            "UniqueName": self.unique_name,
            "State": self.state,
            "Attributes": self.attributes,
            "DateCreated": self.date_created,
            "DateUpdated": self.date_updated,
            "MessagingServiceSid": self.messaging_service_sid,
        }
        return self._event(
            data,
            version=2,
            source=f"/v1/Conversations/{self.conversation_sid}",
            key=self.conversation_sid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRemoved(ProductEvent):
    """A conversation was deleted, and its messages with it (``Conversations.ConversationRemoved``, version 2)."""

    TYPE = "com.twilio.conversations.conversation.removed"

    conversation_sid: str
    """SID of the conversation, CH and 32 hexadecimal digits."""
    friendly_name: str | None = None
    """Its name for people; absent where it had none."""
    unique_name: str | None = None
    """Its name for programs; absent where it had none."""
    state: str | None = None
    """What it was when it was deleted: active, inactive or closed."""
    date_created: str | None = None
    """When it had been created, RFC 3339 with milliseconds."""
    date_removed: str | None = None
    """When it was deleted, RFC 3339 with milliseconds."""
    messaging_service_sid: str | None = None
    """SID of the messaging service that sent its texts; absent in chats without phones."""

    @override
    def event(self) -> Event:
        data: Data = {
            "AccountSid": self.account_sid,
            "ConversationSid": self.conversation_sid,
            "FriendlyName": self.friendly_name,
            "UniqueName": self.unique_name,
            "State": self.state,
            "DateCreated": self.date_created,
            "DateRemoved": self.date_removed,
            "MessagingServiceSid": self.messaging_service_sid,
        }
        return self._event(
            data,
            version=2,
            source=f"/v1/Conversations/{self.conversation_sid}",
            key=self.conversation_sid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationStateUpdated(ProductEvent):
    """A conversation became active, inactive or closed, by its timers or by hand
    (``Conversations.ConversationStateUpdated``, version 2).
    """

    TYPE = "com.twilio.conversations.conversation-state.updated"

    conversation_sid: str
    """SID of the conversation, CH and 32 hexadecimal digits."""
    state_from: str | None = None
    """What it was: active, inactive or closed."""
    state_to: str | None = None
    """What it is now: active, inactive or closed."""
    reason: str | None = None
    """Why: TIMER, API, EVENT."""
    state_updated: str | None = None
    """When it changed, RFC 3339 with milliseconds."""
    date_created: str | None = None
    """When the conversation was created, RFC 3339 with milliseconds."""
    messaging_service_sid: str | None = None
    """SID of the messaging service that sends its texts; absent in chats without phones."""

    @override
    def event(self) -> Event:
        data: Data = {
            "AccountSid": self.account_sid,
            "ConversationSid": self.conversation_sid,
            "StateFrom": self.state_from,
            "StateTo": self.state_to,
            "Reason": self.reason,
            "StateUpdated": self.state_updated,
            "DateCreated": self.date_created,
            "MessagingServiceSid": self.messaging_service_sid,
        }
        return self._event(
            data,
            version=2,
            source=f"/v1/Conversations/{self.conversation_sid}",
            key=self.conversation_sid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageAdded(ProductEvent):
    """Somebody has written in a conversation (``Conversations.MessageAdded``, version 2)."""

    TYPE = "com.twilio.conversations.message.added"

    conversation_sid: str
    """SID of the conversation, CH and 32 hexadecimal digits."""
    message_sid: str
    """SID of the message, IM and 32 hexadecimal digits."""
    author: str | None = None
    """Who wrote it: an identity, a number or an address."""
    participant_sid: str | None = None
    """SID of the participant who wrote it; absent where it came through the API."""
    attributes: str | None = None
    """What the application keeps with it, as JSON text."""
    index: int | None = None
    """Place in the conversation; the first message is 0."""
    message_body: str | None = None
    """Its text; absent where it is all media."""
    date_created: str | None = None
    """When it was written, RFC 3339 with milliseconds."""
    message_subject: str | None = None
    """Its subject; absent where its channel knows none."""
    messaging_service_sid: str | None = None
    """SID of the messaging service that sends it on; absent in chats without phones."""
    content_sid: str | None = None
    """SID of the template that it was made from, HX and 32 hexadecimal digits; absent where there is none."""
    media: Sequence[Media] | None = None
    """Files that came with it; absent where none did."""

    @override
    def event(self) -> Event:
        data: Data = {
            "AccountSid": self.account_sid,
            "ConversationSid": self.conversation_sid,
            "MessageSid": self.message_sid,
            "Author": self.author,
            "ParticipantSid": self.participant_sid,
            "Attributes": self.attributes,
            "Index": self.index,
            "MessageBody": self.message_body,
            "DateCreated": self.date_created,
            "MessageSubject": self.message_subject,
            "MessagingServiceSid": self.messaging_service_sid,
            "ContentSid": self.content_sid,
            "Media": plain(self.media),
        }
        return self._event(
            data,
            version=2,
            source=f"/v1/Conversations/{self.conversation_sid}/Messages/{self.message_sid}",
            key=self.conversation_sid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageUpdated(ProductEvent):
    """A message of a conversation was changed: its text, author or attributes (``Conversations.MessageUpdated``,
    version 2).
    """

    TYPE = "com.twilio.conversations.message.updated"

    conversation_sid: str
    """SID of the conversation, CH and 32 hexadecimal digits."""
    message_sid: str
    """SID of the message, IM and 32 hexadecimal digits."""
    author: str | None = None
    """Who wrote it, as it says now: an identity, a number or an address."""
    participant_sid: str | None = None
    """SID of the participant who wrote it; absent where it came through the API."""
    attributes: str | None = None
    """What the application keeps with it from now on, as JSON text."""
    index: int | None = None
    """Place in the conversation; the first message is 0."""
    message_body: str | None = None
    """Its text from now on; absent where it is all media."""
    date_created: str | None = None
    """When it was written, RFC 3339 with milliseconds."""
    date_updated: str | None = None
    """When it was changed, RFC 3339 with milliseconds."""
    messaging_service_sid: str | None = None
    """SID of the messaging service that sends it on; absent in chats without phones."""
    media: Sequence[Media] | None = None
    """Files that came with it; absent where none did."""

    @override
    def event(self) -> Event:
        data: Data = {
            "AccountSid": self.account_sid,
            "ConversationSid": self.conversation_sid,
            "MessageSid": self.message_sid,
            "Author": self.author,
            "ParticipantSid": self.participant_sid,
            "Attributes": self.attributes,
            "Index": self.index,
            "MessageBody": self.message_body,
            "DateCreated": self.date_created,
            "DateUpdated": self.date_updated,
            "MessagingServiceSid": self.messaging_service_sid,
            "Media": plain(self.media),
        }
        return self._event(
            data,
            version=2,
            source=f"/v1/Conversations/{self.conversation_sid}/Messages/{self.message_sid}",
            key=self.conversation_sid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRemoved(ProductEvent):
    """A message was taken out of a conversation (``Conversations.MessageRemoved``, version 2)."""

    TYPE = "com.twilio.conversations.message.removed"

    conversation_sid: str
    """SID of the conversation, CH and 32 hexadecimal digits."""
    message_sid: str
    """SID of the message, IM and 32 hexadecimal digits."""
    author: str | None = None
    """Who had written it: an identity, a number or an address."""
    participant_sid: str | None = None
    """SID of the participant who had written it; absent where it came through the API."""
    attributes: str | None = None
    """What the application kept with it, as JSON text."""
    index: int | None = None
    """Place that it had in the conversation; no other message gets it."""
    message_body: str | None = None
    """Its text; absent where it was all media."""
    date_created: str | None = None
    """When it had been written, RFC 3339 with milliseconds."""
    date_removed: str | None = None
    """When it was taken out, RFC 3339 with milliseconds."""
    messaging_service_sid: str | None = None
    """SID of the messaging service that had sent it on; absent in chats without phones."""
    media: Sequence[Media] | None = None
    """Files that had come with it; absent where none had."""

    @override
    def event(self) -> Event:
        data: Data = {
            "AccountSid": self.account_sid,
            "ConversationSid": self.conversation_sid,
            "MessageSid": self.message_sid,
            "Author": self.author,
            "ParticipantSid": self.participant_sid,
            "Attributes": self.attributes,
            "Index": self.index,
            "MessageBody": self.message_body,
            "DateCreated": self.date_created,
            "DateRemoved": self.date_removed,
            "MessagingServiceSid": self.messaging_service_sid,
            "Media": plain(self.media),
        }
        return self._event(
            data,
            version=2,
            source=f"/v1/Conversations/{self.conversation_sid}/Messages/{self.message_sid}",
            key=self.conversation_sid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantAddedMessagingBinding(Record):
    """How a phone takes part in a conversation."""

    proxy_address: str | None = None
    """Number that the phone writes to."""
    projected_address: str | None = None
    """Number that the others see in a group text; absent outside of group texts."""
    address: str | None = None
    """Number of the phone itself, in E.164 or with a channel's prefix."""
    type: str | None = None
    """Channel, such as sms or whatsapp."""

    @override
    def as_data(self) -> Data:
        return {
            "ProxyAddress": self.proxy_address,
            "ProjectedAddress": self.projected_address,
            "Address": self.address,
            "Type": self.type,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantAdded(ProductEvent):
    """Somebody has joined a conversation, or was added to it (``Conversations.ParticipantAdded``, version 2)."""

    TYPE = "com.twilio.conversations.participant.added"

    conversation_sid: str
    """SID of the conversation, CH and 32 hexadecimal digits."""
    participant_sid: str
    """SID of the participant, MB and 32 hexadecimal digits."""
    identity: str | None = None
    """Who it is in the chat; absent where it is a phone or an address."""
    role_sid: str | None = None
    """SID of the role that says what the participant may do, RL and 32 hexadecimal digits."""
    attributes: str | None = None
    """What the application keeps with the participant, as JSON text."""
    date_created: str | None = None
    """When it joined, RFC 3339 with milliseconds."""
    messaging_binding: ParticipantAddedMessagingBinding | None = None
    """The participant's phone; absent where it has none here."""

    @override
    def event(self) -> Event:
        data: Data = {
            "AccountSid": self.account_sid,
            "ConversationSid": self.conversation_sid,
            "ParticipantSid": self.participant_sid,
            "Identity": self.identity,
            "RoleSid": self.role_sid,
            "Attributes": self.attributes,
            "DateCreated": self.date_created,
            "MessagingBinding": plain(self.messaging_binding),
        }
        return self._event(
            data,
            version=2,
            source=f"/v1/Conversations/{self.conversation_sid}/Participants/{self.participant_sid}",
            key=self.conversation_sid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantUpdated(ProductEvent):
    """A participant of a conversation was changed, or has read on (``Conversations.ParticipantUpdated``, version 2)."""

    TYPE = "com.twilio.conversations.participant.updated"

    conversation_sid: str
    """SID of the conversation, CH and 32 hexadecimal digits."""
    participant_sid: str
    """SID of the participant, MB and 32 hexadecimal digits."""
    identity: str | None = None
    """Who it is in the chat; absent where it is a phone or an address."""
    role_sid: str | None = None
    """SID of the role that says what the participant may do, RL and 32 hexadecimal digits."""
    attributes: str | None = None
    """What the application keeps with the participant from now on, as JSON text."""
    last_read_message_index: int | None = None
    """Place of the last message that it has read; absent where it has read none."""
    date_created: str | None = None
    """When it joined, RFC 3339 with milliseconds."""
    date_updated: str | None = None
    """When it was changed, RFC 3339 with milliseconds."""
    messaging_binding: ParticipantAddedMessagingBinding | None = None
    """The participant's phone; absent where it has none here."""

    @override
    def event(self) -> Event:
        data: Data = {
            "AccountSid": self.account_sid,
            "ConversationSid": self.conversation_sid,
            "ParticipantSid": self.participant_sid,
            "Identity": self.identity,
            "RoleSid": self.role_sid,
            "Attributes": self.attributes,
            "LastReadMessageIndex": self.last_read_message_index,
            "DateCreated": self.date_created,
            "DateUpdated": self.date_updated,
            "MessagingBinding": plain(self.messaging_binding),
        }
        return self._event(
            data,
            version=2,
            source=f"/v1/Conversations/{self.conversation_sid}/Participants/{self.participant_sid}",
            key=self.conversation_sid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantRemovedMessagingBinding(Record):
    """How a phone takes part in a conversation."""

    proxy_address: str | None = None
    """Number that the phone wrote to."""
    projected_address: str | None = None
    """Number that the others saw in a group text; absent outside of group texts."""
    address: str | None = None
    """Number of the phone itself, in E.164 or with a channel's prefix."""
    type: str | None = None
    """Channel, such as sms or whatsapp."""

    @override
    def as_data(self) -> Data:
        return {
            "ProxyAddress": self.proxy_address,
            "ProjectedAddress": self.projected_address,
            "Address": self.address,
            "Type": self.type,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantRemoved(ProductEvent):
    """Somebody has left a conversation, or was taken out of it (``Conversations.ParticipantRemoved``, version 2)."""

    TYPE = "com.twilio.conversations.participant.removed"

    conversation_sid: str
    """SID of the conversation, CH and 32 hexadecimal digits."""
    participant_sid: str
    """SID of the participant, MB and 32 hexadecimal digits."""
    identity: str | None = None
    """Who it was in the chat; absent where it was a phone or an address."""
    role_sid: str | None = None
    """SID of the role that the participant had, RL and 32 hexadecimal digits."""
    attributes: str | None = None
    """What the application kept with the participant, as JSON text."""
    reason: str | None = None
    """Why it left, such as API or USER_DELETED."""
    date_created: str | None = None
    """When it had joined, RFC 3339 with milliseconds."""
    date_removed: str | None = None
    """When it left, RFC 3339 with milliseconds."""
    messaging_binding: ParticipantRemovedMessagingBinding | None = None
    """The participant's phone; absent where it had none here."""

    @override
    def event(self) -> Event:
        data: Data = {
            "AccountSid": self.account_sid,
            "ConversationSid": self.conversation_sid,
            "ParticipantSid": self.participant_sid,
            "Identity": self.identity,
            "RoleSid": self.role_sid,
            "Attributes": self.attributes,
            "Reason": self.reason,
            "DateCreated": self.date_created,
            "DateRemoved": self.date_removed,
            "MessagingBinding": plain(self.messaging_binding),
        }
        return self._event(
            data,
            version=2,
            source=f"/v1/Conversations/{self.conversation_sid}/Participants/{self.participant_sid}",
            key=self.conversation_sid,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAdded(ProductEvent):
    """A user was made: somebody who chats under an identity, in any number of conversations
    (``Conversations.UserAdded``, version 2).
    """

    TYPE = "com.twilio.conversations.user.added"

    user_sid: str
    """SID of the user, US and 32 hexadecimal digits."""
    identity: str | None = None
    """The identity, unique in its service."""
    chat_service_sid: str | None = None
    """SID of the service that the user belongs to, IS and 32 hexadecimal digits."""
    friendly_name: str | None = None
    """Name for people; absent where it was given none."""
    role_sid: str | None = None
    """SID of the role that says what the user may do, RL and 32 hexadecimal digits."""
    attributes: str | None = None
    """What the application keeps with the user, as JSON text."""
    date_created: str | None = None
    """When it was made, RFC 3339 with milliseconds."""

    @override
    def event(self) -> Event:
        data: Data = {
            "AccountSid": self.account_sid,
            "UserSid": self.user_sid,
            "Identity": self.identity,
            "ChatServiceSid": self.chat_service_sid,
            "FriendlyName": self.friendly_name,
            "RoleSid": self.role_sid,
            "Attributes": self.attributes,
            "DateCreated": self.date_created,
        }
        return self._event(data, version=2, source=f"/v1/Users/{self.user_sid}", key=self.user_sid)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserUpdated(ProductEvent):
    """A user was changed, or came on or off line (``Conversations.UserUpdated``, version 2)."""

    TYPE = "com.twilio.conversations.user.updated"

    user_sid: str
    """SID of the user, US and 32 hexadecimal digits."""
    identity: str | None = None
    """The identity, unique in its service; it never changes."""
    chat_service_sid: str | None = None
    """SID of the service that the user belongs to, IS and 32 hexadecimal digits."""
    friendly_name: str | None = None
    """Name for people from now on; absent where it has none."""
    role_sid: str | None = None
    """SID of the role that says what the user may do, RL and 32 hexadecimal digits."""
    attributes: str | None = None
    """What the application keeps with the user from now on, as JSON text."""
    is_online: bool | None = None
    """True while a client of the user is connected; absent where the service does not watch it."""
    is_notifiable: bool | None = None
    """True where a push notification can reach the user; absent where the service does not watch it."""
    date_created: str | None = None
    """When it was made, RFC 3339 with milliseconds."""
    date_updated: str | None = None
    """When it was changed, RFC 3339 with milliseconds."""

    @override
    def event(self) -> Event:
        data: Data = {
            "AccountSid": self.account_sid,
            "UserSid": self.user_sid,
            "Identity": self.identity,
            "ChatServiceSid": self.chat_service_sid,
            "FriendlyName": self.friendly_name,
            "RoleSid": self.role_sid,
            "Attributes": self.attributes,
            "IsOnline": self.is_online,
            "IsNotifiable": self.is_notifiable,
            "DateCreated": self.date_created,
            "DateUpdated": self.date_updated,
        }
        return self._event(data, version=2, source=f"/v1/Users/{self.user_sid}", key=self.user_sid)
