"""Planning: from an event to the copies to make of it, or a dead letter. No I/O."""
