"""Makes the copies and ensures that the brokers have them, with a detour for topics that accept none."""
