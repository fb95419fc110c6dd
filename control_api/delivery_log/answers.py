"""What the routes of the delivery log share: access to the log, its errors, and formats of answers."""

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
"""How every operation that needs the log is refused if it is switched off."""


@contextmanager
def using_log(request: web.Request) -> Iterator[DeliveryLogService]:
    """Use the log inside the block; its errors become error answers.

    Raises:
        RefusedError: 409: it is switched off, so retrying does not help; 503: it cannot be read just now; 400: the
            search takes too long.
    """
    service = request.app.get(LOG)
    if service is None:
        raise RefusedError(
            f"The delivery log is switched off: {PREFIX}DELIVERY_LOG must name a file or a PostgreSQL database",
            status=HTTPStatus.CONFLICT,
        )
    try:
        yield service
    except (StoreUnavailableError, StoreDamagedError):
        raise unavailable("The delivery log cannot be read right now: try again") from None
    except SearchTooLongError:
        raise RefusedError(
            "The search took too long: narrow it with EventId, SubscriptionSid, After or Before"
        ) from None


def show_lag(lag: Lag | None) -> Mapping[str, object] | None:
    """How far the log is behind; None while that is not known."""
    return None if lag is None else {"records": lag.records, "seconds": lag.seconds}


def show_time(at_ms: int | None) -> str | None:
    """A time with milliseconds, which matter here, and which no official client has to parse."""
    return None if at_ms is None else rfc3339_ms(from_ms(at_ms))


def utf8(text: str) -> str:
    """``text`` of a request with invalid UTF-8 replaced, as no store can search for that."""
    return text.encode(errors="replace").decode()
