"""The commands of ``eventstreams`` that talk to a running API."""
