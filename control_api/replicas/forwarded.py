"""What a replica tells the primary along with a forwarded request, in a form that only a replica can make.

The client's own ``Authorization`` is forwarded unchanged, so the primary authenticates as usual. What it could not
know, the client's address and the request's name, is in a token that is encrypted with the installation's secret key.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic import TypeAdapter

from eventstreams.control.vault import Purpose, Vault
from eventstreams.errors import SettingsError
from eventstreams.http import RefusedError
from eventstreams.times import Clock

HEADER: Final = "EventStreams-Forwarded"
ELSEWHERE: Final = "EventStreams-Primary-Elsewhere"
"""Header of an answer to a forwarded request: this process is not the primary."""
WRITTEN: Final = "EventStreams-Written"
"""Header of an answer to a forwarded request: JSON with the end offset of its writes on each topic."""
PROVE_PATH: Final = "/replica"
CHALLENGE: Final = "EventStreams-Challenge"
_LASTS_MS: Final = 300_000  # more than clocks differ; a token alone authenticates nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedRequest:
    """A forwarded request.

    Attributes:
        request: The name that the replica gave it, the same when it is sent again.
        remote: The client's address.
        method: The HTTP method.
        path: Path and query.
        at_ms: When it was forwarded, in ms since the epoch.
    """

    request: str
    remote: str
    method: str
    path: str
    at_ms: int


FORWARDED: Final = web.RequestKey("forwarded", ForwardedRequest)
"""``request[FORWARDED]`` is present if another replica forwarded the request."""
_FORWARDED: Final = TypeAdapter(ForwardedRequest)


def target(request: web.Request) -> str:
    """The path and query of ``request`` as they are forwarded: without a fragment, which clients do not send."""
    found: str = request.rel_url.raw_path_qs
    return found


def token(vault: Vault, forwarded: ForwardedRequest) -> str:
    return vault.lock(orjson.dumps(forwarded).decode(), Purpose.FORWARDED, "")


def accept_forwarded(vault: Vault, clock: Clock) -> Middleware:
    """A middleware that gives a forwarded request its client's address, and refuses forged ones."""

    @web.middleware
    async def accept(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(HEADER)
        if given is None:
            return await handler(request)
        forwarded = _open(vault, given)
        asked = (request.method, target(request))
        if (
            forwarded is None
            or (forwarded.method, forwarded.path) != asked
            or abs(clock() - forwarded.at_ms) > _LASTS_MS
        ):
            # Never forwarded on: two processes that do not trust each other would send it back and forth.
            raise RefusedError(
                f"{HEADER} is only for the API's own replicas, which must share a secret key and have synchronized "
                "clocks",
                status=HTTPStatus.FORBIDDEN,
            )
        inner = request.clone(remote=forwarded.remote)
        inner[FORWARDED] = forwarded
        return await handler(inner)

    return accept


def _open(vault: Vault, given: str) -> ForwardedRequest | None:
    try:
        return _FORWARDED.validate_json(vault.unlock(given, Purpose.FORWARDED, ""))
    except (SettingsError, ValueError):  # the latter if it is not text, or not a valid token
        return None


# -- proof that the process at an address is the expected replica --------------------------------------------------


def prove(vault: Vault, replica: str) -> web.RouteDef:
    """The route that proves to holders of our secret key that this process is ``replica``."""

    async def answer(request: web.Request) -> web.Response:
        try:
            nonce = vault.unlock(request.headers.get(CHALLENGE, ""), Purpose.CHALLENGE, replica)
        except (SettingsError, ValueError):
            raise RefusedError(
                f"{CHALLENGE} was not made with this process's secret key", status=HTTPStatus.FORBIDDEN
            ) from None
        return web.Response(text=vault.lock(nonce, Purpose.PROOF, replica))

    return web.get(PROVE_PATH, answer)


def is_proof(vault: Vault, text: str, *, replica: str, nonce: str) -> bool:
    """Whether ``text`` is the correct answer of ``replica`` to the challenge ``nonce``."""
    try:
        return vault.unlock(text, Purpose.PROOF, replica) == nonce
    except (SettingsError, ValueError):
        return False
