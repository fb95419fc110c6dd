"""Tests of a plugin's definition: its value, its configuration, and what may be visible of both."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import BaseModel, SecretStr, ValidationError

from eventstreams.sinks import API_VERSION
from eventstreams.testing.contract.checks import must
from eventstreams.testing.contract.rig import Rig
from eventstreams.testing.contract.suite import ContractSuite, contract

_UNKNOWN_KEY: Final = "noSuchKey"
_GRACE: Final = timedelta(hours=1)
_SHORTEST_SECRET: Final = 16
_SINK_TYPE: Final = re.compile(r"[a-z0-9-]{1,40}")


class ShapeContract(ContractSuite):
    """The part of the contract that needs no delivery."""

    @contract()
    async def test_its_plugin_is_installed_and_well_formed(self, rig: Rig) -> None:
        plugin = rig.plugin

        must(
            plugin.sink_type == self.sink_type and _SINK_TYPE.fullmatch(plugin.sink_type) is not None,
            f"its sink_type is {plugin.sink_type!r} instead of {self.sink_type!r}, of a-z, 0-9 and - only",
        )
        must(plugin.api_version == API_VERSION, f"its api_version is {plugin.api_version}, not {API_VERSION}")
        must(issubclass(plugin.config, BaseModel), "its config is not a pydantic model")

    @contract()
    async def test_its_capabilities_make_sense(self, rig: Rig) -> None:
        found = rig.capabilities

        must(0 < found.timeout_s < math.inf, f"capabilities.timeout_s is {found.timeout_s}: it is in seconds, above 0")
        must(0 <= found.linger_s < math.inf, f"capabilities.linger_s is {found.linger_s}: it is in seconds, 0 or more")
        for name in ("max_batch_events", "max_batch_bytes", "max_in_flight"):
            value = getattr(found, name)
            must(isinstance(value, int) and value >= 1, f"capabilities.{name} is {value}: it is a number from 1")

    @contract()
    async def test_a_key_that_its_configuration_does_not_know_is_refused_by_name(self, rig: Rig) -> None:
        complaints = _complaints(rig, {**rig.destination.config, _UNKNOWN_KEY: 1})

        must(
            any(_UNKNOWN_KEY in complaint for complaint in complaints),
            f"its configuration takes {_UNKNOWN_KEY!r} although it knows no such key: give its model "
            'ConfigDict(extra="forbid"), or a subscriber\'s typing error goes unnoticed',
        )

    @contract()
    async def test_a_key_that_its_configuration_needs_is_asked_for_by_name(self, rig: Rig) -> None:
        for name, field in rig.plugin.config.model_fields.items():
            key = field.alias or name
            if not field.is_required():
                continue
            without = {other: value for other, value in rig.destination.config.items() if other != key}
            must(any(key in complaint for complaint in _complaints(rig, without)), f"nothing uses the key {key!r}")

    @contract()
    async def test_what_the_api_shows_of_its_configuration_is_json_without_secrets(self, rig: Rig) -> None:
        shown = rig.plugin.public(rig.plugin.config.model_validate(rig.destination.config))

        must(isinstance(shown, Mapping), f"public() returned {type(shown).__name__} instead of a mapping")
        try:
            text = json.dumps(dict(shown), ensure_ascii=False)
        except TypeError as error:
            raise AssertionError(f"public() returned something that is not JSON: {error}") from None
        rig.watch.hide(rig.destination.secrets)
        rig.watch.saw("what public() returns", text)

    @contract()
    async def test_no_secret_can_be_seen_in_a_repr_or_in_an_error_about_the_configuration(self, rig: Rig) -> None:
        model, given = rig.plugin.config, rig.destination.config
        secret_fields = [name for name, field in model.model_fields.items() if field.annotation is SecretStr]
        must(
            not secret_fields or any(rig.destination.secrets),
            f"its configuration has secrets ({', '.join(secret_fields)}), but destination.secrets names none",
        )

        sink = await rig.open()
        await rig.deliver_all(sink, [self.event(1)])

        config = model.model_validate(given)
        rig.watch.saw("repr() of its configuration", f"{config!r} {config}")
        rig.watch.saw("repr() of its sink", f"{sink!r} {sink}")
        rig.watch.saw("repr() of its capabilities", repr(rig.capabilities))
        for key in given:  # the worker logs such an error if a stored configuration is no longer valid
            for secret in rig.destination.secrets:
                for text in _errors(rig, {**given, key: [secret]}):
                    rig.watch.saw(f"an error about {key} (give its model ConfigDict(hide_input_in_errors=True))", text)

    @contract()
    async def test_signing_secrets_are_made_and_rotated_and_only_their_owner_sees_them(self, rig: Rig) -> None:
        model, signing = rig.plugin.config, rig.plugin.signing
        if signing is None:
            return  # sinks of this type have none
        created = signing.create(model.model_validate(rig.destination.config))
        given = {**rig.destination.config, **created}
        config = model.model_validate(given)
        if signing.show(config) is None:
            return  # a sink with this configuration has none

        changes = signing.rotate(config, datetime.now(UTC), _GRACE)
        rotated = model.model_validate({**given, **changes})

        must(signing.show(rotated) != signing.show(config), "rotate() left the signing secret as it was")
        made = {*_words(created), *_words(changes)}
        must(bool(made), "rotate() made no new secret")
        rig.watch.hide(made)
        for each in (config, rotated):
            rig.watch.saw("repr() of its configuration", repr(each))
            rig.watch.saw("what public() returns", json.dumps(dict(rig.plugin.public(each)), ensure_ascii=False))


def _words(changes: object) -> Iterator[str]:
    """Every text in ``changes`` of a configuration that is long enough to be a secret and is not a time."""
    if isinstance(changes, Mapping):
        for value in changes.values():
            yield from _words(value)
    elif isinstance(changes, list | tuple):
        for value in changes:
            yield from _words(value)
    elif isinstance(changes, str) and len(changes) >= _SHORTEST_SECRET and not _is_time(changes):
        yield changes


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _complaints(rig: Rig, config: Mapping[str, object]) -> list[str]:
    """What the API would tell a subscriber about each mistake in ``config``: the key and the message."""
    try:
        rig.plugin.config.model_validate(config)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        return [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in found]
    return []


def _errors(rig: Rig, config: Mapping[str, object]) -> Iterator[str]:
    try:
        rig.plugin.config.model_validate(config)
    except ValidationError as error:
        yield str(error)
