"""From an event to what becomes of it: its copies, or a dead letter. Pure."""
