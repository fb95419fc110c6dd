"""What the routes of the delivery log share: how to get at it, and how its answers look."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from aiohttp import web

from control_api.delivery_log.service import LOG, DeliveryLogService
from control_api.delivery_log.store import Lag, SearchTooLongError, StoreDamagedError, StoreUnavailableError
from control_api.http.declared import refused_with
from eventstreams.http import ErrorCode, RefusedError, unavailable
from eventstreams.settings import PREFIX
from eventstreams.times import from_ms, rfc3339_ms

NO_LOG: Final = refused_with(ErrorCode.CONFLICT)
"""How every operation that needs the log is refused where it is switched off."""


@contextmanager
def using_log(request: web.Request) -> Iterator[DeliveryLogService]:
    """The log, meanwhile; what it cannot do becomes an error answer.

    Raises:
        RefusedError: 409: it is switched off, which no repetition mends; 503: it cannot be read just now; 400: the
            search takes too long.
    """
    service = request.app.get(LOG)
    if service is None:
        raise RefusedError(
            f"The delivery log is switched off: {PREFIX}DELIVERY_LOG must name a file or a PostgreSQL",
            status=HTTPStatus.CONFLICT,
        )
    try:
        yield service
    except (StoreUnavailableError, StoreDamagedError):
        raise unavailable("The delivery log cannot be read just now: try again") from None
    except SearchTooLongError:
        raise RefusedError(
            "The search takes too long: narrow it with EventId, SubscriptionSid, After or Before"
        ) from None


def show_lag(lag: Lag | None) -> Mapping[str, object] | None:
    """How far the log is behind; null while that is not known."""
    return None if lag is None else {"records": lag.records, "seconds": lag.seconds}


def show_time(at_ms: int | None) -> str | None:
    """With milliseconds, which matter here and which no official client has to read."""
    return None if at_ms is None else rfc3339_ms(from_ms(at_ms))


def utf8(text: str) -> str:
    """``text`` of a request without what is not UTF-8 in it, which no store can look for."""
    return text.encode(errors="replace").decode()
