"""The declared parameters of operations on accounts and keys."""

from typing import Final

from control_api.accounts.fields import MAX_NAME
from control_api.http.declared import choice, refused_with, sid, text
from eventstreams.control.records import AccountStatus, KeyScope
from eventstreams.http import ErrorCode
from eventstreams.sids import SidKind

ACCOUNT_SID: Final = sid("account_sid", "SID of an account.", SidKind.ACCOUNT)
KEY_SID: Final = sid("sid", "SID of an API key.", SidKind.API_KEY)
NAME: Final = text("FriendlyName", "A name of your choice.", least=1, most=MAX_NAME)
NAMED: Final = text("FriendlyName", "Only those with this name.")
SCOPE: Final = choice("Scope", "What the key may do; default: everything.", KeyScope)
STATUS: Final = choice("Status", "A closed account cannot be reopened.", AccountStatus)
OF_STATUS: Final = choice("Status", "Only those with this status.", AccountStatus)
CONFLICT: Final = refused_with(ErrorCode.CONFLICT)
FORBIDDEN: Final = refused_with(ErrorCode.FORBIDDEN)
