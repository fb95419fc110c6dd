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
    """Account that owns the topic's subscription."""
    partitions: int
    orphaned: bool
    records: int | None
    """Maximum number of records that it may hold; null unless orphaned."""
