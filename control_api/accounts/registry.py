"""Operations on accounts and their tokens. Who may do them is decided by the routes."""

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

MAX_SUBACCOUNTS: Final = 1000  # per account: the reference's limit
MAX_KNOWN: Final = 2 * MAX_SUBACCOUNTS
"""Subaccounts of an account, including closed ones. Each takes memory in every process."""
_FORGOTTEN_AFTER_MS: Final = 3_600_000  # far longer than any of its requests can still be under way
_TOKEN_BYTES: Final = 16  # as in the reference: 32 hexadecimal digits


@dataclass(frozen=True, slots=True)
class WithToken:
    """An account, with one of its tokens in the clear, to be shown just once."""

    account: Account
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccountRegistry:
    """Creates and changes accounts, and rotates their tokens."""

    plane: ControlPlane

    def find(self, sid: str) -> Account | None:
        return self.plane.snapshot.accounts.get(sid)

    def all(self) -> Sequence[Account]:
        """Every account, oldest first."""
        return sorted(self.plane.snapshot.accounts.values(), key=lambda each: (each.created_ms, each.sid))

    def status_of(self, account: Account) -> AccountStatus:
        """The effective status: the account's own, or its owner's if that is worse."""
        return self.plane.snapshot.status_of(account)

    async def create(self, friendly_name: str, *, owner_sid: str | None = None, sid: str | None = None) -> WithToken:
        """Create an account with a new token.

        Raises:
            RefusedError: the SID is taken, the owner does not exist or is closed or a subaccount itself, or it has
                the maximum number of subaccounts.
        """
        plane, token = self.plane, new_token()
        async with plane.writing:
            if owner_sid is not None:
                self._check_owner(owner_sid)
                await self._make_room(owner_sid)
            if sid is not None and self.find(sid) is not None:
                raise RefusedError(f"Account {sid} already exists", status=HTTPStatus.CONFLICT)
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
        """Change the account's name or status; None leaves it as it is.

        Raises:
            RefusedError: the account does not exist or is closed, which is final.
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
        """Create a secondary token, which replaces the present one after ``grace``; None: when it is promoted.

        With a grace of zero, it replaces the present one now, and a rotation that is under way ends.

        Raises:
            RefusedError: a rotation is under way, the account is closed, or its token comes from the settings.
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
        """Replace the primary token, which becomes invalid, by the secondary one.

        Raises:
            RefusedError: there is no secondary token, the account is closed, or its token comes from the settings.
        """
        return await self._end_rotation(sid, promote=True)

    async def drop_secondary(self, sid: str) -> Account:
        """Revoke the secondary token, which cancels the rotation. Raises like ``promote``."""
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
            raise RefusedError(f"Account {sid} does not exist", status=HTTPStatus.NOT_FOUND)
        if account.status is AccountStatus.CLOSED:
            raise RefusedError(f"Account {sid} is closed permanently", status=HTTPStatus.CONFLICT)
        return account.settled(self.plane.clock())

    def _rotatable(self, sid: str) -> Account:
        if sid == self.plane.account_of_settings:
            raise RefusedError(
                f"The token of account {sid} is set by {PREFIX}AUTH_TOKEN: change it there, and restart the API",
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
            raise RefusedError(f"The account has {MAX_SUBACCOUNTS} subaccounts, which is the maximum")

    async def _make_room(self, owner_sid: str) -> None:
        """Forget the subaccount that was closed first, if the owner has ``MAX_KNOWN``, including closed ones.

        Raises:
            RefusedError: none was closed long enough ago with nothing of it left.
        """
        there = list(self.plane.snapshot.subaccounts_of(owner_sid))
        if len(there) < MAX_KNOWN:
            return
        closed = (each for each in there if each.status is AccountStatus.CLOSED)
        # Usually the first one can be forgotten: checking all takes many times as long, and blocks other writes.
        over = next(filter(self._is_over, sorted(closed, key=lambda each: each.updated_ms)), None)
        if over is None:
            raise RefusedError(
                f"The account has {MAX_KNOWN} subaccounts including recently closed ones, which is the maximum: "
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
    """A new auth token with 128 random bits."""
    return secrets.token_hex(_TOKEN_BYTES)


def _under_way(account: Account) -> RefusedError:
    end = "it is promoted" if account.promote_at_ms is None else rfc3339_s(from_ms(account.promote_at_ms))
    return RefusedError(
        f"A rotation of this account's token is in progress until {end}: promote the secondary token, delete it, "
        "or rotate without a grace period",
        status=HTTPStatus.CONFLICT,
    )
