"""Answers about topics, for the operator."""

from typing import Annotated

from eventstreams.client.models import Model
from eventstreams.client.values import Open
from eventstreams.topics import TopicKind


class Topic(Model):
    """A topic of the installation."""

    name: str
    kind: Annotated[TopicKind | str, Open]
    sink_type: str | None
    subscription_sid: str | None
    account_sid: str | None
    """Whose subscription's it is."""
    partitions: int
    orphaned: bool
    records: int | None
    """Most that it can hold; None where it is not orphaned."""
