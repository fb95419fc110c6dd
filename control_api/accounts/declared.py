"""The declared parameters of operations on accounts and keys."""

from typing import Final

from control_api.accounts.fields import MAX_NAME
from control_api.http.declared import choice, refused_with, sid, text
from eventstreams.control.records import AccountStatus, KeyScope
from eventstreams.http import ErrorCode
from eventstreams.sids import SidKind

ACCOUNT_SID: Final = sid("account_sid", "Of an account.", SidKind.ACCOUNT)
KEY_SID: Final = sid("sid", "Of an API key.", SidKind.API_KEY)
NAME: Final = text("FriendlyName", "In your words.", least=1, most=MAX_NAME)
NAMED: Final = text("FriendlyName", "Those of this name.")
SCOPE: Final = choice("Scope", "What it may do; without it everything.", KeyScope)
STATUS: Final = choice("Status", "A closed account is closed for good.", AccountStatus)
OF_STATUS: Final = choice("Status", "Those that are so.", AccountStatus)
CONFLICT: Final = refused_with(ErrorCode.CONFLICT)
FORBIDDEN: Final = refused_with(ErrorCode.FORBIDDEN)
