"""Every exception of the project, with the exit code it gives a process.

    EventStreamsError                 one sentence with the fact and the fix; 1
    ├── SettingsError                 a setting is missing or wrong; 2
    │   └── NameTakenError            another process has joined a group under the name of this one; 1
    ├── PrerequisiteError             Java, Kafka's jars or a port is not available; 3
    ├── BrokerUnreachableError        no Kafka broker answers; 4
    ├── TopicError                    Kafka refused to create, change or delete a topic, or to tell about one
    ├── CatalogError                  the catalogue in avro/ contradicts itself; 5
    ├── PluginError                   a sink plugin is broken, installed twice, or of another API version; 6
    ├── InvalidEventError             an event does not fit the catalogue; nothing was sent
    ├── PublishError                  the broker did not acknowledge; the error says whether a retry is safe
    │   └── BufferFullError           too many events wait for their acknowledgement; nothing was sent
    ├── ApiError                      the API does not answer a command, or refused (in ``eventstreams.client``)
    ├── RegistryError                 a schema registry does not answer, or refuses (``eventstreams.schema_registry``)
    ├── RefusedError                  refuses an HTTP request with an error answer (in ``eventstreams.http``)
    ├── BackupError                   a backup cannot be made or imported (in ``control_api.backup``)
    ├── FatalProducerError            a producer can never send again; the process must be restarted
    └── FatalConsumerError            a consumer can never get back into its group; likewise

A failing destination is not an exception, but an outcome (``eventstreams.sinks``).
"""

from typing import ClassVar


class EventStreamsError(Exception):
    """Something that a person can fix; ``str()`` is one sentence with the fact and the fix."""

    exit_code: ClassVar[int] = 1


class SettingsError(EventStreamsError):
    """A setting, or an argument of a command, is missing or wrong."""

    exit_code = 2


class NameTakenError(SettingsError):
    """Another process has joined a consumer group under the name of this one.

    Its exit code means that a restart may help: a supervisor that assigns the names, such as ``eventstreams up``, knows
    that nobody else has this one, so the cause was a request of the process itself that Kafka handled late.
    """

    exit_code = 1


class PrerequisiteError(EventStreamsError):
    """This machine lacks something that is needed: Java, a free port, a library, a file that can be written …"""

    exit_code = 3


class BrokerUnreachableError(EventStreamsError):
    """No Kafka broker answers."""

    exit_code = 4


class TopicError(EventStreamsError):
    """Kafka refused to create, change or delete a topic, or did not answer a question about one."""


class CatalogError(EventStreamsError):
    """The catalogue in ``avro/`` contradicts itself; the text names file and entry."""

    exit_code = 5


class PluginError(EventStreamsError):
    """A sink plugin is broken, there twice, or of another API version; names its distribution."""

    exit_code = 6


class InvalidEventError(EventStreamsError):
    """An event does not fit the catalogue. Nothing was sent, and sending it again is pointless.

    Attributes:
        path: JSON path of the offending part, such as ``$.data.messageSid``.
    """

    def __init__(self, message: str, *, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class PublishError(EventStreamsError):
    """The broker did not acknowledge an event.

    Attributes:
        retry_is_safe: True if the same event, with the same id, may be published again. It may then arrive twice, since
            the broker can have accepted it although we did not see the acknowledgement.
    """

    def __init__(self, message: str, *, retry_is_safe: bool) -> None:
        super().__init__(message)
        self.retry_is_safe = retry_is_safe


class BufferFullError(PublishError):
    """Too many events wait for their acknowledgement. This one was not sent; publish it again a little later."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_is_safe=True)


class FatalProducerError(EventStreamsError):
    """librdkafka's idempotent producer has given up for good; only a new process helps."""


class FatalConsumerError(EventStreamsError):
    """A consumer's client is out of its group, as are those that replaced it; only a new process helps."""
