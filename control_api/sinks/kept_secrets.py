"""Merges a sink's new configuration with its old one, from which secrets that are not given are kept. Pure.

There are two ways to keep a secret: to leave it out, or to send back its placeholder from answers. ``null`` removes it.
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
    """The merged configuration, and the paths of kept secrets, such as ``oauth2.client_secret``."""

    configuration: dict[str, object]
    secrets: list[str] = field(default_factory=list)


def keep_secrets(given: Json, *, shown: Json, stored: Json, model: type[BaseModel]) -> Kept:
    """Merge ``given`` with the secrets of ``stored`` that it does not change.

    Args:
        given: The configuration from the client.
        shown: ``stored`` as the API shows it.
        stored: The present configuration with its secrets.
        model: The plugin's model.
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
            continue  # only shown, such as the public half of a key
        else:
            merged[key] = value
    for key, each in fields.items():
        if key not in given and key in stored and _is_secret(each.annotation):
            merged[key] = stored[key]
            secrets.append(f"{path}{key}")
    return merged


def places(shown: Json, model: type[BaseModel]) -> set[tuple[str, str]]:
    """What in ``shown`` may determine where secrets are sent: its texts with their paths; of URLs, only the origin.

    Values of closed sets (a method, a scheme) do not count, nor do numbers, except for a port and a disabled TLS.
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
    except (ValueError, IndexError):  # raised by yarl for brackets before an @ with nothing after it
        return text


def _is_choice(annotation: object) -> bool:
    """Whether the values are from a closed set."""
    if annotation is type(None) or (isinstance(annotation, type) and issubclass(annotation, Enum)):
        return True
    if get_origin(annotation) is Literal:
        return True
    if get_origin(annotation) is Annotated:
        return _is_choice(get_args(annotation)[0])
    return get_origin(annotation) in {Union, UnionType} and all(map(_is_choice, get_args(annotation)))


def _is_secret(annotation: object) -> bool:
    """Whether a field is a secret, or a list of objects with secrets; not an object: its fields count individually."""
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
    """The model of an object's fields; None if there is none or several."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [each for each in map(_model_in, get_args(annotation)) if each is not None]
    return found[0] if len(found) == 1 else None
