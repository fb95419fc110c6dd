"""Every setting, and how each is read; what a process is told from outside."""

from eventstreams.settings.settings import DSN_SCHEMES, PREFIX, SECRETS, Settings

__all__ = ["DSN_SCHEMES", "PREFIX", "SECRETS", "Settings"]
