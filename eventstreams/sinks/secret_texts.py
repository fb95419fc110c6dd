"""Finds the secret texts of a sink, which are removed from its plugin's errors before these are logged."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import unquote

import orjson
from pydantic import BaseModel, SecretStr
from yarl import URL

from eventstreams.sinks import SinkContext
from eventstreams.sinks.contract import AnySinkPlugin

Secrets = Callable[[], Sequence[str]]
"""Finds them when they are needed, so that nothing keeps them in the clear meanwhile."""


def no_secrets() -> Sequence[str]:
    return ()


def secrets_of(plugin: AnySinkPlugin, config: BaseModel, context: SinkContext) -> Sequence[str]:
    """Every text of ``config`` that is declared secret or not shown to its owner, and the credentials inside its URLs.

    Also the secrets that the worker provides in ``context``: signing tokens and the password of the mail server.
    """
    try:
        shown = set(_texts(plugin.public(config)))
    except Exception:  # noqa: BLE001 - the seam to foreign code: treat all of it as not shown
        shown = set()
    lent: list[str] = [*context.signing_tokens]
    if context.mail is not None and context.mail.password is not None:
        lent.append(context.mail.password)
    return [*lent, *(text for value in _leaves(config) for text in _secret_texts(value, shown))]


def texts_of(configuration: str) -> Sequence[str]:
    """All texts of a configuration in JSON, for one that is not valid: nobody knows which of its texts are secret."""
    try:
        found = orjson.loads(configuration)
    except orjson.JSONDecodeError:
        return [configuration]
    return [text for value in _leaves(found) for text in _secret_texts(value, set())]


def _secret_texts(value: object, shown: set[str]) -> Iterator[str]:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        return
    is_secret = isinstance(value, SecretStr) or text not in shown
    if is_secret:
        yield text
    if "://" in text:
        yield from _secret_parts(text, with_path=is_secret)


def _secret_parts(text: str, *, with_path: bool) -> Iterator[str]:
    """User, password, query and, if ``with_path``, path of a URL: as written, and decoded."""
    try:
        url = URL(text, encoded=True)
        parts = [url.raw_user, url.raw_password, url.raw_query_string, *url.query.values()]
    except (ValueError, IndexError):  # yarl raises the latter for brackets before an @ with nothing after it
        return
    for part in [*parts, url.raw_path if with_path else None]:
        if part:
            yield part
            yield unquote(part)


def _leaves(value: object) -> Iterator[object]:
    """The scalar values in ``value``, at any depth. Without recursion, as JSON can be nested arbitrarily."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, BaseModel):
            left += [getattr(each, name) for name in type(each).model_fields]
        elif isinstance(each, Mapping):
            left += each.values()
        elif isinstance(each, Sequence | set | frozenset) and not isinstance(each, str | bytes):
            left += each
        else:
            yield each


def _texts(shown: object) -> Iterator[str]:
    return (each for each in _leaves(shown) if isinstance(each, str))
