"""Log lines: JSON for machines or coloured text for people, from structlog and from the libraries alike."""

import logging
import sys
from typing import Final

import structlog
from structlog.typing import Processor

from eventstreams.settings import Settings

Log = structlog.stdlib.BoundLogger

_NOISY: Final = ("aiokafka", "faust", "mode", "aiohttp.access", "asyncio")  # their INFO is our DEBUG


def configure_logging(settings: Settings, *, role: str) -> None:
    """Send all logging of this process to stderr, as the settings say, each line with its ``role``."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if settings.log_format == "json"
        # The richer traceback shows local variables, and with them secrets.
        else [
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
        ]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING) if level > logging.DEBUG else level)
    structlog.contextvars.bind_contextvars(role=role)


def get_logger(name: str) -> Log:
    """A logger; event names are ``noun.verb_past``."""
    logger: Log = structlog.stdlib.get_logger(name)
    return logger
