"""What a process tells of itself: log lines and metrics."""

import sys

# structlog takes rich where it is, for tracebacks that show the values of variables, which may be secrets: ours do not.
# Without it a role takes a twelfth less CPU time to start. Commands that draw tables import it later, as ever.
if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # to import says that there is none
    try:
        import structlog as structlog
    finally:
        del sys.modules["rich"]
