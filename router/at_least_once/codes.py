"""What brokers say of a batch, in Kafka's error codes, and what follows. All others: it is given up, for now."""

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
        KafkaError.INVALID_MSG,  # damaged on its way
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
    }
)
"""What a broker says that may take the batch in a moment."""
NOT_IN_ORDER: Final = frozenset(
    {KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, KafkaError.UNKNOWN_PRODUCER_ID, KafkaError.INVALID_PRODUCER_EPOCH}
)
"""What a broker says where a batch before this one was given up, or it has forgotten who sends."""
