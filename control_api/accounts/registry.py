"""What can be done with accounts and their tokens. Whose business it is, the routes decide."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http import HTTPStatus
from typing import Final

from control_api.plane import ControlPlane
from eventstreams.control.records import Account, AccountStatus
from eventstreams.control.vault import Purpose
from eventstreams.http import RefusedError
from eventstreams.settings import PREFIX
from eventstreams.sids import SidKind, new_sid
from eventstreams.times import from_ms, rfc3339_s

MAX_SUBACCOUNTS: Final = 1000  # of an account: the reference's limit
MAX_KNOWN: Final = 2 * MAX_SUBACCOUNTS
"""Of an account, with closed subaccounts. Each is in the memory of every process."""
_FORGOTTEN_AFTER_MS: Final = 3_600_000  # far longer than a request of its own can be under way
_TOKEN_BYTES: Final = 16  # as long as the reference's: 32 hexadecimal digits


@dataclass(frozen=True, slots=True)
class WithToken:
    """An account, and a token of it in the clear, to be shown this once."""

    account: Account
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccountRegistry:
    """Makes and changes accounts."""

    plane: ControlPlane

    def find(self, sid: str) -> Account | None:
        return self.plane.snapshot.accounts.get(sid)

    def all(self) -> Sequence[Account]:
        """Every account, oldest first."""
        return sorted(self.plane.snapshot.accounts.values(), key=lambda each: (each.created_ms, each.sid))

    def status_of(self, account: Account) -> AccountStatus:
        """The status that counts: the account's, or its owner's where that is the worse."""
        return self.plane.snapshot.status_of(account)

    async def create(self, friendly_name: str, *, owner_sid: str | None = None, sid: str | None = None) -> WithToken:
        """A new account, with a token that nobody else has.

        Raises:
            RefusedError: there is one of this SID, or the owner may have no more subaccounts, or none at all.
        """
        plane, token = self.plane, new_token()
        async with plane.writing:
            if owner_sid is not None:
                self._check_owner(owner_sid)
                await self._make_room(owner_sid)
            if sid is not None and self.find(sid) is not None:
                raise RefusedError(f"There is an account {sid} already", status=HTTPStatus.CONFLICT)
            now_ms, sid = plane.clock(), sid or new_sid(SidKind.ACCOUNT)
            account = Account(
                sid=sid,
                friendly_name=friendly_name,
                auth_token=plane.vault.lock(token, Purpose.AUTH_TOKEN, sid),
                created_ms=now_ms,
                updated_ms=now_ms,
                owner_account_sid=owner_sid,
            )
            await plane.writer.put(account)
        return WithToken(account, token)

    async def change(self, sid: str, *, friendly_name: str | None, status: AccountStatus | None) -> Account:
        """Give the account another name or status; None: as it was.

        Raises:
            RefusedError: it is closed, for good.
        """
        plane = self.plane
        async with plane.writing:
            account = self._open_account(sid)
            changed = replace(
                account,
                friendly_name=account.friendly_name if friendly_name is None else friendly_name,
                status=account.status if status is None else status,
            )
            if changed != account:
                changed = replace(changed, updated_ms=plane.clock())
                await plane.writer.put(changed)
        return changed

    # -- tokens ----------------------------------------------------------------------------------------------

    async def rotate(self, sid: str, grace: timedelta | None) -> WithToken:
        """Another token beside the present one, whose place it takes after ``grace``; None: once it is promoted.

        Without any grace it takes its place now, and a rotation that is under way ends.

        Raises:
            RefusedError: a rotation is under way, or the token is a setting.
        """
        plane, token = self.plane, new_token()
        async with plane.writing:
            account = self._rotatable(sid)
            now_ms = plane.clock()
            locked = plane.vault.lock(token, Purpose.AUTH_TOKEN, sid)
            if grace is not None and not grace:
                account = replace(account, auth_token=locked, secondary_token=None, promote_at_ms=None)
            else:
                if account.secondary_token is not None:
                    raise _under_way(account)
                end_ms = None if grace is None else now_ms + int(grace.total_seconds() * 1000)
                account = replace(account, secondary_token=locked, promote_at_ms=end_ms)
            account = replace(account, updated_ms=now_ms)
            await plane.writer.put(account)
        return WithToken(account, token)

    async def promote(self, sid: str) -> Account:
        """Let the secondary token take the place of the other, which proves nothing any more.

        Raises:
            RefusedError: there is no secondary token.
        """
        return await self._end_rotation(sid, promote=True)

    async def drop_secondary(self, sid: str) -> Account:
        """Let the secondary token prove nothing any more: the rotation did not happen. Raises as ``promote``."""
        return await self._end_rotation(sid, promote=False)

    async def _end_rotation(self, sid: str, *, promote: bool) -> Account:
        plane = self.plane
        async with plane.writing:
            account = self._rotatable(sid)
            if account.secondary_token is None:
                message = f"Account {sid} has no secondary auth token: create one first"
                raise RefusedError(message, status=HTTPStatus.NOT_FOUND)
            kept = account.secondary_token if promote else account.auth_token
            now_ms = plane.clock()
            account = replace(account, auth_token=kept, secondary_token=None, promote_at_ms=None, updated_ms=now_ms)
            await plane.writer.put(account)
        return account

    # -- checks, under the lock ------------------------------------------------------------------------------

    def _open_account(self, sid: str) -> Account:
        account = self.find(sid)
        if account is None:
            raise RefusedError(f"There is no account {sid}", status=HTTPStatus.NOT_FOUND)
        if account.status is AccountStatus.CLOSED:
            raise RefusedError(f"Account {sid} is closed, for good", status=HTTPStatus.CONFLICT)
        return account.settled(self.plane.clock())

    def _rotatable(self, sid: str) -> Account:
        if sid == self.plane.account_of_settings:
            raise RefusedError(
                f"The token of account {sid} is the setting {PREFIX}AUTH_TOKEN: change it there, and restart the API",
                status=HTTPStatus.CONFLICT,
            )
        return self._open_account(sid)

    def _check_owner(self, sid: str) -> None:
        owner = self._open_account(sid)
        if owner.owner_account_sid is not None:
            message = f"Account {sid} is a subaccount, and cannot have subaccounts"
            raise RefusedError(message, status=HTTPStatus.FORBIDDEN)
        there = self.plane.snapshot.subaccounts_of(sid)
        if sum(each.status is not AccountStatus.CLOSED for each in there) >= MAX_SUBACCOUNTS:
            raise RefusedError(f"The account has {MAX_SUBACCOUNTS} subaccounts, the most it may")

    async def _make_room(self, owner_sid: str) -> None:
        """Forget the subaccount that was closed first, if the owner has as many, closed and not, as it may.

        Raises:
            RefusedError: none was closed long ago, or something of it is still there.
        """
        there = list(self.plane.snapshot.subaccounts_of(owner_sid))
        if len(there) < MAX_KNOWN:
            return
        closed = (each for each in there if each.status is AccountStatus.CLOSED)
        # Nearly always the first is: to ask that of all takes many times as long, and nobody writes meanwhile.
        over = next(filter(self._is_over, sorted(closed, key=lambda each: each.updated_ms)), None)
        if over is None:
            raise RefusedError(
                f"The account has {MAX_KNOWN} subaccounts with those that were closed of late, the most it may: "
                "try again in an hour"
            )
        await self.plane.writer.remove(over.sid)

    def _is_over(self, account: Account) -> bool:
        if account.updated_ms + _FORGOTTEN_AFTER_MS >= self.plane.clock():
            return False
        snapshot = self.plane.snapshot
        left = (snapshot.keys_of(account.sid), snapshot.sinks_of(account.sid), snapshot.subscriptions_of(account.sid))
        return not any(map(list, left))


def new_token() -> str:
    """A new auth token, of 128 random bits."""
    return secrets.token_hex(_TOKEN_BYTES)


def _under_way(account: Account) -> RefusedError:
    end = "it is promoted" if account.promote_at_ms is None else rfc3339_s(from_ms(account.promote_at_ms))
    return RefusedError(
        f"A rotation of this account's token is under way until {end}: promote the secondary token, delete it, or "
        "rotate without any grace",
        status=HTTPStatus.CONFLICT,
    )
