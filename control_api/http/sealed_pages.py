"""Encrypted page tokens, for lists that read a topic with everybody's records.

Such a page continues at an offset, and offsets would reveal how much others write. So the token is encrypted, and is
valid only for the same caller and the same list.
"""

from aiohttp import web

from control_api.http.codes import Code, refused
from control_api.http.paging import PageQuery, Position, mark_of
from control_api.plane import PLANE
from eventstreams.control.vault import Purpose
from eventstreams.errors import SettingsError
from eventstreams.http import ACCOUNT


def seal(request: web.Request, mark: str) -> Position:
    """Encrypt ``mark`` as the position of a page, for the caller and the list of ``request``."""
    return 0, request.app[PLANE].vault.lock(mark, Purpose.PAGE, _reader(request))


def unseal(request: web.Request, query: PageQuery, *, by_number: bool = False) -> str | None:
    """Decrypt the mark that the page continues from; None if it has no token.

    Without ``by_number``, a page that has no token can only be the first one.

    Raises:
        RefusedError: 400, code 91002: the token is not ours, or belongs to another account or another list; or
            the list has no pages by number, and one is requested.
    """
    if query.token is None:
        if query.number and not by_number:
            raise refused(Code.BAD_PAGINATION, "Page alone does not continue this list: follow meta.next_page_url")
        return None
    try:
        return request.app[PLANE].vault.unlock(mark_of(query.token)[1], Purpose.PAGE, _reader(request))
    except SettingsError:
        raise refused(Code.BAD_PAGINATION, "PageToken does not come from a page of this list") from None


def _reader(request: web.Request) -> str:
    account, resource = request.get(ACCOUNT), request.match_info.route.resource
    return f"{'operator' if account is None else account.sid} {'' if resource is None else resource.canonical}"
