"""A sink's configuration as its owner may see it, where its plugin says nothing else."""

from collections.abc import Mapping, Sequence

import orjson
from pydantic import BaseModel, HttpUrl, SecretStr

from eventstreams.sinks import HIDDEN, shown


class Login(BaseModel):
    user: str
    password: SecretStr


class Config(BaseModel):
    url: HttpUrl
    key: SecretStr | None = None
    retries: int = 3
    login: Login | None = None
    headers: Mapping[str, SecretStr] = {}
    tokens: Sequence[SecretStr] = ()
    names: frozenset[str] = frozenset()


def test_what_was_given_is_shown_as_json_in_the_order_of_the_model() -> None:
    config = Config.model_validate({"names": {"a"}, "retries": 3, "key": None, "url": "https://h.example/x"})

    assert orjson.dumps(shown(config)) == b'{"url":"https://h.example/x","retries":3,"names":["a"]}'


def test_no_secret_is_shown_however_deep_it_is() -> None:
    secrets = {
        "key": "secret-1",
        "login": {"user": "us", "password": "secret-2"},
        "headers": {"X-Key": "secret-3"},
        "tokens": ["secret-4"],
    }

    found = shown(Config.model_validate({"url": "https://h.example", **secrets}))

    assert b"secret" not in orjson.dumps(found)
    assert (found["login"], found["tokens"]) == ({"user": "us", "password": HIDDEN}, [HIDDEN])
