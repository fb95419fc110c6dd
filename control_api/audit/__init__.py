"""The audit trail: who changed what, when, from where, and what came of it; on a topic of its own."""
