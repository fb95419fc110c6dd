"""What one replica tells another with a request that it forwards, so that only a replica can say it.

The client's own ``Authorization`` goes along untouched: the primary lets in whom it would let in. What it could not
know, the client's address and the request's name, stands in a token that is made with the installation's secret key.
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
"""On the answer of a process that is not the primary, to a request that was forwarded to it."""
WRITTEN: Final = "EventStreams-Written"
"""On the answer to a forwarded request: JSON, of each topic the offset that its writes end before."""
PROVE_PATH: Final = "/replica"
CHALLENGE: Final = "EventStreams-Challenge"
_LASTS_MS: Final = 300_000  # more than clocks differ; a token alone lets nobody in


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedRequest:
    """A forwarded request.

    Attributes:
        request: The name that the replica gave it: the same when it sends it again.
        remote: The client's address.
    """

    request: str
    remote: str
    method: str
    path: str
    at_ms: int


FORWARDED: Final = web.RequestKey("forwarded", ForwardedRequest)
"""``request[FORWARDED]`` is there where another replica forwarded the request."""
_FORWARDED: Final = TypeAdapter(ForwardedRequest)


def target(request: web.Request) -> str:
    """The path and query of ``request`` as they are forwarded: without a fragment, which no client sends on."""
    found: str = request.rel_url.raw_path_qs
    return found


def token(vault: Vault, forwarded: ForwardedRequest) -> str:
    return vault.lock(orjson.dumps(forwarded).decode(), Purpose.FORWARDED, "")


def accept_forwarded(vault: Vault, clock: Clock) -> Middleware:
    """A middleware that gives a forwarded request its client's address, and refuses what only looks like one."""

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
            # Never passed on: two processes that do not trust each other would send it to and fro.
            raise RefusedError(
                f"{HEADER} is for the API's own replicas, with one secret key and clocks that agree",
                status=HTTPStatus.FORBIDDEN,
            )
        inner = request.clone(remote=forwarded.remote)
        inner[FORWARDED] = forwarded
        return await handler(inner)

    return accept


def _open(vault: Vault, given: str) -> ForwardedRequest | None:
    try:
        return _FORWARDED.validate_json(vault.unlock(given, Purpose.FORWARDED, ""))
    except (SettingsError, ValueError):  # the second also where it is no text at all, or says something else
        return None


# -- that who listens at an address is the replica that it should be ----------------------------------------------


def prove(vault: Vault, replica: str) -> web.RouteDef:
    """The route that proves to who has our secret key that this process is ``replica``."""

    async def answer(request: web.Request) -> web.Response:
        try:
            nonce = vault.unlock(request.headers.get(CHALLENGE, ""), Purpose.CHALLENGE, replica)
        except (SettingsError, ValueError):
            raise RefusedError(
                f"{CHALLENGE} is not made with this process's secret key", status=HTTPStatus.FORBIDDEN
            ) from None
        return web.Response(text=vault.lock(nonce, Purpose.PROOF, replica))

    return web.get(PROVE_PATH, answer)


def is_proof(vault: Vault, text: str, *, replica: str, nonce: str) -> bool:
    """Whether ``text`` answers the challenge ``nonce`` in the name of ``replica``."""
    try:
        return vault.unlock(text, Purpose.PROOF, replica) == nonce
    except (SettingsError, ValueError):
        return False
