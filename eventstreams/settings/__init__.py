"""All settings of a process, and how they are read."""

from eventstreams.settings.settings import DSN_SCHEMES, PREFIX, SECRETS, Settings

__all__ = ["DSN_SCHEMES", "PREFIX", "SECRETS", "Settings"]
