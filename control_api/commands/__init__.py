"""Commands of ``eventstreams`` that ask a running API."""
