"""How a role runs as a process: its life from start to drain, its health, and the sockets it listens on."""

from eventstreams.process.health import Health
from eventstreams.process.run import Process, run_role

__all__ = ["Health", "Process", "run_role"]
