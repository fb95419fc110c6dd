"""Operations on API keys."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final

from control_api.plane import ControlPlane
from eventstreams.control.records import Account, AccountStatus, ApiKey, KeyScope
from eventstreams.http import RefusedError
from eventstreams.sids import SidKind, new_sid

MAX_KEYS: Final = 100  # per account: one for each program and person, with room to rotate them
_SECRET_BYTES: Final = 32  # see ApiKey.secret_hash


@dataclass(frozen=True, slots=True)
class WithSecret:
    """A key, with its secret in the clear, to be shown just once: only its hash is stored."""

    key: ApiKey
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Keyring:
    """Creates, finds, renames and revokes API keys."""

    plane: ControlPlane

    def of(self, account_sid: str) -> Sequence[ApiKey]:
        """The account's keys, oldest first."""
        return list(self.plane.snapshot.keys_of(account_sid))

    def find(self, account_sid: str, sid: str) -> ApiKey | None:
        """The key ``sid``; None if there is none, or if it belongs to another account."""
        found = self.plane.snapshot.keys.get(sid)
        return found if found is not None and found.account_sid == account_sid else None

    async def create(self, account: Account, friendly_name: str, scope: KeyScope) -> WithSecret:
        """Create a key.

        Raises:
            RefusedError: the account is closed, or has the maximum number of keys.
        """
        plane, secret = self.plane, secrets.token_urlsafe(_SECRET_BYTES)
        async with plane.writing:
            known = plane.snapshot.accounts.get(account.sid)
            if known is None or plane.snapshot.status_of(known) is AccountStatus.CLOSED:
                raise RefusedError(f"Account {account.sid} is closed permanently", status=HTTPStatus.CONFLICT)
            if len(self.of(account.sid)) >= MAX_KEYS:
                raise RefusedError(f"The account has {MAX_KEYS} API keys, which is the maximum: revoke some first")
            now_ms = plane.clock()
            key = ApiKey(
                sid=new_sid(SidKind.API_KEY),
                account_sid=account.sid,
                friendly_name=friendly_name,
                scope=scope,
                secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
                created_ms=now_ms,
                updated_ms=now_ms,
            )
            await plane.writer.put(key)
        return WithSecret(key, secret)

    async def rename(self, key: ApiKey, friendly_name: str) -> ApiKey:
        """Rename the key, and return it. Raises ``RefusedError`` if it was revoked in the meantime."""
        async with self.plane.writing:
            key = self._still(key)
            if key.friendly_name != friendly_name:
                key = replace(key, friendly_name=friendly_name, updated_ms=self.plane.clock())
                await self.plane.writer.put(key)
        return key

    async def revoke(self, key: ApiKey) -> None:
        """Remove the key; every process stops accepting it within moments. Raises like ``rename``."""
        async with self.plane.writing:
            await self.plane.writer.remove(self._still(key).sid)

    def _still(self, key: ApiKey) -> ApiKey:
        found = self.find(key.account_sid, key.sid)
        if found is None:
            raise RefusedError(f"API key {key.sid} was revoked in the meantime", status=HTTPStatus.NOT_FOUND)
        return found
