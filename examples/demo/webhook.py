"""The customer's side: checks every signature, fails once for some events and refuses a few for good."""

import time
import zlib
from typing import Final

from twilio.request_validator import RequestValidator

from eventstreams.testing.receiver import Received
from examples.demo.tally import Tally

_FAILING_PERCENT: Final = 6  # of events whose first attempt is answered 500
_REFUSED_PERCENT: Final = 2  # of events that are answered 400 for good


class Webhook:
    """Answers a ``Receiver``'s requests and counts in ``tally`` what arrived."""

    def __init__(self, auth_token: str, tally: Tally) -> None:
        self._validator = RequestValidator(auth_token)
        self._tally = tally
        self._failed: set[str] = set()

    def __call__(self, request: Received) -> int:
        signature = request.headers.get("X-Twilio-Signature", "")
        if not self._validator.validate(request.url, request.body.decode(), signature):
            self._tally.bad_signatures += 1
            return 403
        for event_id in request.ids:
            draw = zlib.crc32(event_id.encode()) % 100  # the same at each attempt
            if draw < _REFUSED_PERCENT:
                return 400
            if draw < _REFUSED_PERCENT + _FAILING_PERCENT and event_id not in self._failed:
                self._failed.add(event_id)
                return 500
        now_ms = round(time.time() * 1000)
        for event_id in request.ids:
            self._tally.delivered.setdefault(event_id, now_ms)
        self._tally.deliveries += len(request.ids)
        return 200
