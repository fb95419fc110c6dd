"""Email: digests of events, sent through the operator's mail server to an address whose owner has agreed.

This module is all that the API needs; the mail library is imported only when a sink is opened.
"""

from typing import Final

from eventstreams.sinks import Capabilities, Sink, SinkContext, SinkPlugin
from sink_workers.plugins.email.config import EmailConfig

_HUNG_S: Final = 63.0  # above what a delivery may take
_MAX_BATCH_BYTES: Final = 1 << 20  # of JSON; half as much again in the mail: servers take ten times that
_PAUSE_S: Final = 10.0  # between two mails, however many events there are: people read them


async def _open(config: EmailConfig, context: SinkContext) -> Sink:
    from sink_workers.plugins.email.sink import open_sink  # noqa: PLC0415 - needs the extra

    return await open_sink(config, context)


def _capabilities(config: EmailConfig) -> Capabilities:
    """A batch is a mail: it waits in its lane until it is old or large enough. Mails are sent one at a time."""
    return Capabilities(
        timeout_s=_HUNG_S,
        max_batch_events=config.max_events,
        max_batch_bytes=_MAX_BATCH_BYTES,
        linger_s=float(config.every_s),
        max_in_flight=1,
        tried_together=True,
        pause_s=_PAUSE_S,
    )


PLUGIN: Final = SinkPlugin(
    sink_type="email",
    summary="Mail to a recipient who has agreed to receive it.",
    config=EmailConfig,
    capabilities=_capabilities,
    open=_open,
    requires={"aiosmtplib": "eventstreams[email]"},
    needs_mail=True,
    must_validate=True,
)
