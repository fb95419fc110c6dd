"""Runs a role as a process: its lifetime from start to drain, its health, and the sockets that it listens on."""

from eventstreams.process.health import Health
from eventstreams.process.run import Process, run_role

__all__ = ["Health", "Process", "run_role"]
