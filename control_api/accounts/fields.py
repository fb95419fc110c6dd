"""Parameters of requests about accounts and keys, read and checked. Pure."""

from typing import Final

from control_api.http.forms import Form
from eventstreams.control.records import AccountStatus, KeyScope
from eventstreams.http import RefusedError

MAX_NAME: Final = 64  # the reference's


def optional(form: Form, name: str) -> str | None:
    """The value of ``name``, the last one where there are several; None where it is not there.

    Raises:
        RefusedError: 415: it may be in the body, which is no form: a key that was to have a scope would have them all.
    """
    return form.given(name)


def friendly_name(form: Form) -> str | None:
    """``FriendlyName``; None where it is not there.

    Raises:
        RefusedError: 400: it is empty, too long, or holds what no name does.
    """
    name = optional(form, "FriendlyName")
    if name is not None and not (name.strip() and len(name) <= MAX_NAME and name.isprintable()):
        raise RefusedError(f"FriendlyName must have 1 to {MAX_NAME} characters that can be printed")
    return name


def account_status(text: str | None) -> AccountStatus | None:
    """A ``Status``; None where there is none. Raises ``RefusedError`` (400) for any other."""
    if text is not None and text not in list(AccountStatus):
        raise RefusedError(f"Status must be one of {', '.join(AccountStatus)}")
    return None if text is None else AccountStatus(text)


def key_scope(form: Form) -> KeyScope:
    """``Scope``, default everything. Raises ``RefusedError`` (400) for any other."""
    text = optional(form, "Scope")
    if text is not None and text not in list(KeyScope):
        raise RefusedError(f"Scope must be one of {', '.join(KeyScope)}")
    return KeyScope.FULL if text is None else KeyScope(text)
