"""The delivery log: what was accepted and attempted, read from Kafka into a store that can be asked and thrown away.

    es.events, es.attempts ─► TopicsReader ─► projector ─► store ─► /v1/Attempts, /v1/Events/{Id}

Nothing on the path of an event waits for it. ADR 0005 says what it can and cannot tell.
"""
