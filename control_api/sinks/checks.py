"""Checks a given sink configuration by its plugin's own model."""

import difflib
from collections.abc import Mapping
from typing import Final

import orjson
from pydantic import BaseModel, ValidationError

from control_api.http.codes import Code, refused
from eventstreams.sinks.contract import AnySinkPlugin
from eventstreams.sinks.secret_texts import texts_of
from eventstreams.telemetry.concealing import concealing
from eventstreams.telemetry.logging import get_logger

_log: Final = get_logger(__name__)


def configuration_in(text: str, done: str) -> dict[str, object]:
    """Parse ``SinkConfiguration``. ``done`` is what the request does, for messages: ``created`` or ``updated``.

    Raises:
        RefusedError: it is not a JSON object.
    """
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise refused(Code.SINK_NOT_CREATED, f"Sink not {done}: SinkConfiguration must be a JSON object")
    return given


def checked_configuration(
    given: Mapping[str, object], plugin: AnySinkPlugin, done: str, *, note: str = ""
) -> BaseModel:
    """``given`` as the plugin's model. ``note`` is appended to the message about what is wrong.

    Raises:
        RefusedError: the plugin does not accept it. The message contains none of its values.
    """
    try:
        config = plugin.config.model_validate(given)
        plugin.public(config)  # a sink that could not be shown is not made
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        # An unknown key first: it is often a misspelt one, and then another is reported as missing only because of it.
        first = next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])
        key = ".".join(str(part) for part in first["loc"])
        text = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            text = _unknown_key(str(first["loc"][-1]), plugin.config if len(first["loc"]) == 1 else None)
        where = f"SinkConfiguration {key}: " if key else "SinkConfiguration: "
        raise refused(Code.SINK_NOT_CREATED, f"Sink not {done}: {where}{text}{note}") from None
    except Exception as error:  # noqa: BLE001 - the seam to foreign code, which may raise what pydantic lets through
        with concealing(texts_of(orjson.dumps(given).decode())):
            _log.error(
                "plugin.raised",
                sink_type=plugin.sink_type,
                where="its configuration model",
                exc_info=error,
                follows="the configuration is refused",
            )
        raise refused(
            Code.SINK_NOT_CREATED,
            f"Sink not {done}: the plugin for {plugin.sink_type} sinks failed on SinkConfiguration "
            f"({type(error).__name__}), so the problem with it is unknown; ask the operator of this "
            f"installation{note}",
        ) from None
    return config


def _unknown_key(given: str, model: type[BaseModel] | None) -> str:
    """What is wrong with the key ``given`` of a configuration, or, without a ``model``, of an object inside it."""
    if model is None:
        return "unknown key"
    there = [field.alias or name for name, field in model.model_fields.items()]
    near = difflib.get_close_matches(given, there, n=1)
    return f"unknown key: did you mean {near[0]}?" if near else f"unknown key: there are {', '.join(there)}"


def read_stored(plugin: AnySinkPlugin, stored: str) -> BaseModel | None:
    """The configuration ``stored``, JSON; None where this release of the plugin does not take it any more."""
    try:
        return plugin.config.model_validate_json(stored)
    except Exception:  # noqa: BLE001 - the seam to foreign code: what is wrong there, the check of another one says
        return None


def public_part(plugin: AnySinkPlugin, config: BaseModel | None) -> Mapping[str, object]:
    """What answers show of ``config``; nothing where it was not read, or this release cannot show it.

    It was taken once, by another release perhaps. The sink is there all the same, as are those beside it.
    """
    if config is None:
        return {}
    try:
        return plugin.public(config)
    except Exception as error:  # noqa: BLE001 - the seam to foreign code
        _log.debug(
            "plugin.raised",
            sink_type=plugin.sink_type,
            where="showing a configuration",
            error=type(error).__name__,
            follows="the configuration is not shown",
        )
        return {}


def stored_configuration(given: Mapping[str, object], config: BaseModel, plugin: AnySinkPlugin) -> str:
    """The JSON to store for ``given``, which was checked as ``config``: as given, because defaults may change.

    If the plugin creates a signing secret, it is added.
    """
    made = {} if plugin.signing is None else plugin.signing.create(config)
    return orjson.dumps({**given, **made}).decode()
