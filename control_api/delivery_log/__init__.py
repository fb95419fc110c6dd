"""The delivery log: what was accepted and attempted, read from Kafka into a searchable, disposable store.

    es.events, es.attempts ─► TopicsReader ─► projector ─► store ─► /v1/Attempts, /v1/Events/{Id}

No event ever waits for it. ADR 0005 says what it can and cannot answer.
"""
