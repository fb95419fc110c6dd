"""The audit trail: who changed what, when, from where, and with what outcome; kept on a topic of its own."""
