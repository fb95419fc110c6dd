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
        sid("SubscriptionSid", "Only those of this subscription.", SidKind.SUBSCRIPTION),
        choice("Reason", "Only those with this reason.", DeadReason).often,
        integer("Code", "Only those with this error code.", least=0, most=_MAX_CODE).often,
        text("Type", "Only those of this event type.", most=_MAX_TEXT).often,
        text("EventId", "Only those of this event.", most=_MAX_TEXT).often,
        moment("After", "Only those that died (for a replay: were accepted) at this time or later."),
        moment("Before", "Only those that died (for a replay: were accepted) before this time."),
        text("Filter", "Only those for which this CEL expression is true, such as `status >= 500`.", most=MAX_LENGTH),
        text("DeadLetterId", "Only the one with this id, such as `webhook.0.1234`.", most=_MAX_TEXT).often,
        integer("Rate", "Maximum rate, in events per second.", least=MIN_RATE, most=MAX_RATE, default=DEFAULT_RATE),
    )
}


def of_names(names: Iterable[str]) -> Sequence[Parameter]:
    return tuple(_ALL[name] for name in names)
