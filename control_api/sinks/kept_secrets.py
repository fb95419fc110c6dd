"""A sink's next configuration, of which a client can give all but the secrets: those stay as they were. Pure.

Two ways to leave a secret as it is: to leave it out, or to send back what stands for it in answers. ``null`` drops it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from yarl import URL

Json = Mapping[str, object]


@dataclass(slots=True)
class Kept:
    """A configuration as it is to be, and which secrets in it nobody gave: paths such as ``oauth2.client_secret``."""

    configuration: dict[str, object]
    secrets: list[str] = field(default_factory=list)


def keep_secrets(given: Json, *, shown: Json, stored: Json, model: type[BaseModel]) -> Kept:
    """``given``, with what it leaves of ``stored`` as it is.

    Args:
        given: What a client wants.
        shown: What answers show of ``stored``.
        stored: The configuration so far, with its secrets.
        model: The plugin's.
    """
    kept = Kept({})
    kept.configuration = _merged(given, shown, stored, model, "", kept.secrets)
    return kept


def _merged(
    given: Json, shown: Json, stored: Json, model: type[BaseModel] | None, path: str, secrets: list[str]
) -> dict[str, object]:
    fields = {} if model is None else model.model_fields
    merged: dict[str, object] = {}
    for key, value in given.items():
        before, was = shown.get(key), stored.get(key)
        if isinstance(value, dict) and isinstance(was, dict):
            inner = _model_in(fields[key].annotation) if key in fields else None
            inside = before if isinstance(before, dict) else {}
            merged[key] = _merged(value, inside, was, inner, f"{path}{key}.", secrets)
        elif value is not None and value == before and key in stored:
            merged[key] = was
            if was != value:
                secrets.append(f"{path}{key}")
        elif value is not None and value == before and model is not None and key not in fields:
            continue  # only ever shown, such as the public half of a key
        else:
            merged[key] = value
    for key, each in fields.items():
        if key not in given and key in stored and _is_secret(each.annotation):
            merged[key] = stored[key]
            secrets.append(f"{path}{key}")
    return merged


def places(shown: Json, model: type[BaseModel]) -> set[tuple[str, str]]:
    """What in ``shown`` may say where secrets are sent: its texts with their paths, of URLs only up to the port.

    Texts that are one of a few words (a method, a scheme) say nothing of that, nor do numbers but for a port, and
    that there is no TLS.
    """
    return set(_places(shown, model, ""))


def _places(value: object, annotation: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if not _is_choice(annotation):
            yield path, _origin(value)
    elif isinstance(value, Mapping):
        model = _model_in(annotation)
        fields = {} if model is None else model.model_fields
        for key, each in value.items():
            yield from _places(each, fields[key].annotation if key in fields else str, f"{path}.{key}".strip("."))
    elif isinstance(value, Sequence):
        for each in value:
            yield from _places(each, str, path)
    elif (name := path.rpartition(".")[2]) == "port" or (name == "tls" and value is False):
        yield path, str(value)


def _origin(text: str) -> str:
    try:
        return str(URL(text).origin()) if "://" in text else text
    except (ValueError, IndexError):  # the latter where yarl finds brackets before an @ and nothing behind it
        return text


def _is_choice(annotation: object) -> bool:
    """Whether values are of a closed set."""
    if annotation is type(None) or (isinstance(annotation, type) and issubclass(annotation, Enum)):
        return True
    if get_origin(annotation) is Literal:
        return True
    if get_origin(annotation) is Annotated:
        return _is_choice(get_args(annotation)[0])
    return get_origin(annotation) in {Union, UnionType} and all(map(_is_choice, get_args(annotation)))


def _is_secret(annotation: object) -> bool:
    """Whether a field is a secret, or a list of things with secrets; not an object, whose fields count one by one."""
    if annotation is SecretStr:
        return True
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return False
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return any(_has_secrets(each) for each in get_args(annotation))
    return any(_is_secret(each) for each in get_args(annotation))


def _has_secrets(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(_is_secret(each.annotation) for each in annotation.model_fields.values())
    return _is_secret(annotation)


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model of an object's fields; None where there is none, or several."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [each for each in map(_model_in, get_args(annotation)) if each is not None]
    return found[0] if len(found) == 1 else None
