"""Kafka's error codes for a produced batch, grouped by what follows. With any other code the batch fails for now."""

from typing import Final

from confluent_kafka import KafkaError

TAKEN: Final = frozenset({KafkaError.NO_ERROR, KafkaError.DUPLICATE_SEQUENCE_NUMBER})
FORBIDDEN: Final = frozenset(
    {KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED}
)
MISSING: Final = KafkaError.UNKNOWN_TOPIC_OR_PART
NOT_ANSWERED: Final = KafkaError._TRANSPORT  # noqa: SLF001 - its public name
PASSING: Final = frozenset(
    {
        NOT_ANSWERED,
        MISSING,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.INVALID_MSG,  # damaged in transit
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
    }
)
"""Transient errors: the same batch may be accepted in a moment."""
NOT_IN_ORDER: Final = frozenset(
    {KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, KafkaError.UNKNOWN_PRODUCER_ID, KafkaError.INVALID_PRODUCER_EPOCH}
)
"""Sequence errors: an earlier batch of the partition was given up, or the broker has forgotten the producer id."""
