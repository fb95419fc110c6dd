"""The declared parameters of dead letters, redrives and replays."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from control_api.http.declared import Parameter, choice, integer, moment, sid, text
from control_api.redrive.pace import DEFAULT_RATE, MAX_RATE, MIN_RATE
from eventstreams.filters import MAX_LENGTH
from eventstreams.reasons import DeadReason
from eventstreams.sids import SidKind

_MAX_CODE: Final = 999_999_999
_MAX_TEXT: Final = 255
_ALL: Final[Mapping[str, Parameter]] = {
    each.name: each
    for each in (
        sid("SubscriptionSid", "Of this subscription.", SidKind.SUBSCRIPTION),
        choice("Reason", "That died of this.", DeadReason).often,
        integer("Code", "That died with this error code.", least=0, most=_MAX_CODE).often,
        text("Type", "Of this event type.", most=_MAX_TEXT).often,
        text("EventId", "Of this event.", most=_MAX_TEXT).often,
        moment("After", "That died, or for a replay were accepted, at this time or later."),
        moment("Before", "That did so sooner than this."),
        text("Filter", "For which this is true, in CEL: `status >= 500`.", most=MAX_LENGTH),
        text("DeadLetterId", "This one, such as `webhook.0.1234`.", most=_MAX_TEXT).often,
        integer("Rate", "Most events a second.", least=MIN_RATE, most=MAX_RATE, default=DEFAULT_RATE),
    )
}


def of_names(names: Iterable[str]) -> Sequence[Parameter]:
    return tuple(_ALL[name] for name in names)
