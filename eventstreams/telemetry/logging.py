"""Configures logging: JSON for machines or coloured text for people, for structlog and for libraries alike."""

import logging
import sys
from io import StringIO
from textwrap import indent
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, Processor

from eventstreams.cli.terminal import harmless, harmless_lines
from eventstreams.settings import Settings
from eventstreams.telemetry.concealing import conceal

Log = structlog.stdlib.BoundLogger

_NOISY: Final = ("aiokafka", "faust", "mode", "aiohttp.access", "asyncio")  # their INFO is our DEBUG


def configure_logging(settings: Settings, *, role: str) -> None:
    """Send all log output of this process to stderr, formatted as the settings say, each line with its ``role``."""
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
        else [_disarm, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_traceback)]
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
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last, conceal],
        )
    )
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING) if level > logging.DEBUG else level)
    structlog.contextvars.bind_contextvars(role=role)


def _disarm(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Escape text from outside (a path, an answer, an error), so that it cannot control a terminal or fake log lines.

    JSON escapes it anyway.
    """
    return {name: harmless(value) if isinstance(value, str) else value for name, value in line.items()}


def _traceback(out: TextIO, exc_info: ExcInfo) -> None:
    """Write a plain traceback, indented: a rich one would show local variables, and with them secrets."""
    text = StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    out.write(indent(harmless_lines(text.getvalue()), "  "))


def get_logger(name: str) -> Log:
    """A logger; its event names are ``noun.verb_past``."""
    logger: Log = structlog.stdlib.get_logger(name)
    return logger
