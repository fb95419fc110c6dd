"""The parameter ``Filter`` of subscriptions, checked against all types of the subscription. An extension."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from aiohttp import web

from control_api.http.codes import Code, refused
from control_api.http.forms import Form
from control_api.plane import PLANE
from control_api.topics.budget import check_filter_budget
from eventstreams.control.filter_room import room_of
from eventstreams.control.records import SubscribedType, Subscription
from eventstreams.filters import FilterChecker, FilterError
from eventstreams.http import RefusedError

CHECKER: Final = web.AppKey("checker", FilterChecker)


def filter_in(form: Form) -> str | None:
    """``Filter`` in ``form``: None if it is missing; an empty text means no filter.

    Raises:
        RefusedError: it is given twice.
    """
    values = form.all("Filter")
    if len(values) > 1:
        raise RefusedError("Filter can only be given once: combine conditions with && or ||")
    return values[0].strip() if values else None


def check_filter(request: web.Request, text: str | None, types: Iterable[SubscribedType]) -> str | None:
    """Check that ``text`` is a filter that fits ``types``; None for no filter. Call it when either changes.

    Raises:
        RefusedError: 400, code 91201: it is not a filter, or does not fit one of the types.
    """
    if not text:
        return None
    try:
        request.app[CHECKER].check(text, types)
    except FilterError as error:
        raise refused(Code.BAD_FILTER, f"Filter refused: {error}") from None
    return text


def with_filter(request: web.Request, subscription: Subscription, text: str) -> Subscription:
    """``subscription`` with the filter ``text``, or without a filter if that is empty.

    Raises like ``check_filter`` and ``check_filter_budget``.
    """
    if (text or None) == subscription.filter:
        return subscription
    more = room_of(text) - room_of(subscription.filter)
    check_filter_budget(request.app[PLANE], subscription.account_sid, more=more)
    return replace(subscription, filter=check_filter(request, text, subscription.types), filter_since_ms=None)
