"""Logging, metrics and traces of a process."""

import sys

# If rich is installed, structlog imports it for tracebacks that show the values of variables, which may be secrets; we
# do not use those. Without it a role takes a twelfth less CPU time to start. Commands that draw tables still import it.
if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # makes `import rich` fail
    try:
        import structlog as structlog
    finally:
        del sys.modules["rich"]
