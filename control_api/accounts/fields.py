"""Reads and checks the parameters of requests about accounts and keys. Pure."""

from typing import Final

from control_api.http.forms import Form
from eventstreams.control.records import AccountStatus, KeyScope
from eventstreams.http import RefusedError

MAX_NAME: Final = 64  # as in the reference


def optional(form: Form, name: str) -> str | None:
    """The value of ``name``, the last one if there are several; None if it is missing.

    Raises:
        RefusedError: 415: the body is not a form, so the parameter may be in it unread: a key that was meant to have
            a scope would otherwise be allowed everything.
    """
    return form.given(name)


def friendly_name(form: Form) -> str | None:
    """``FriendlyName``; None if it is missing.

    Raises:
        RefusedError: 400: it is empty, too long, or has unprintable characters.
    """
    name = optional(form, "FriendlyName")
    if name is not None and not (name.strip() and len(name) <= MAX_NAME and name.isprintable()):
        raise RefusedError(f"FriendlyName must have 1 to {MAX_NAME} printable characters")
    return name


def account_status(text: str | None) -> AccountStatus | None:
    """Parse a ``Status``; None stays None. Raises ``RefusedError`` (400) if it is unknown."""
    if text is not None and text not in list(AccountStatus):
        raise RefusedError(f"Status must be one of {', '.join(AccountStatus)}")
    return None if text is None else AccountStatus(text)


def key_scope(form: Form) -> KeyScope:
    """``Scope``; by default, everything is allowed. Raises ``RefusedError`` (400) if it is unknown."""
    text = optional(form, "Scope")
    if text is not None and text not in list(KeyScope):
        raise RefusedError(f"Scope must be one of {', '.join(KeyScope)}")
    return KeyScope.FULL if text is None else KeyScope(text)
