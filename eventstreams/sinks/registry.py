"""Finds the installed sink plugins. A broken one fails the start with an error that names it and its distribution."""

import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from typing import Final

from pydantic import BaseModel

from eventstreams.errors import PluginError
from eventstreams.installed import entry_points
from eventstreams.sinks.contract import API_VERSION, AnySinkPlugin, SinkPlugin

GROUP: Final = "eventstreams.sinks"
_MAX_ERROR: Final = 300  # characters kept of the error that a plugin's import raised: a line
_SINK_TYPE: Final = re.compile(r"[a-z0-9-]{1,40}")


def installed_sink_types() -> list[str]:
    """The sink types of all installed plugins, without loading any."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def load_plugins() -> Mapping[str, AnySinkPlugin]:
    """Every installed plugin by sink type.

    Raises:
        PluginError: one cannot be loaded, is installed twice, is malformed, or was written for another API version.
    """
    found: dict[str, AnySinkPlugin] = {}
    origin: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if entry.name in found:
            first = _distribution(origin[entry.name])
            raise PluginError(f"{_where(entry)} is also provided by {first}: uninstall one of the two")
        found[entry.name] = _load(entry)
        origin[entry.name] = entry
    return found


def load_plugin(sink_type: str) -> AnySinkPlugin:
    """The plugin for ``sink_type``, after checking that the modules it needs to open sinks are installed.

    Raises:
        PluginError: there is no such plugin (the text lists those there are), it lacks a module (the text says what to
            install), or any of the reasons of ``load_plugins``.
    """
    plugins = load_plugins()
    if sink_type not in plugins:
        raise PluginError(f"no sink plugin {sink_type!r} is installed; available: {', '.join(sorted(plugins))}")
    plugin = plugins[sink_type]
    for module, requirement in lacking(plugin).items():
        raise PluginError(f"sinks of type {sink_type} need {module}: pip install '{requirement}'")
    return plugin


def lacking(plugin: AnySinkPlugin) -> Mapping[str, str]:
    """The modules that ``plugin`` requires but are not installed, each with the pip requirement that provides it."""
    return {name: source for name, source in plugin.requires.items() if find_spec(name) is None}


def _load(entry: EntryPoint) -> AnySinkPlugin:
    try:
        plugin = entry.load()
    except (Exception, SystemExit) as error:  # a plugin's import may do anything at all
        raise PluginError(f"{_where(entry)} cannot be loaded: {_first_line(error)}") from error
    if not isinstance(plugin, SinkPlugin):
        raise PluginError(
            f"{_where(entry)} is of type {type(plugin).__name__}, not a SinkPlugin: the entry point must name the "
            "plugin value itself"
        )
    if plugin.api_version != API_VERSION:
        raise PluginError(
            f"{_where(entry)} implements sink API {plugin.api_version}, not {API_VERSION}: install a matching release"
        )
    if plugin.sink_type != entry.name or not _SINK_TYPE.fullmatch(plugin.sink_type):
        raise PluginError(
            f"{_where(entry)} calls itself {plugin.sink_type!r}: both names must be the same, and consist of a-z, "
            "0-9 and -"
        )
    config: object = plugin.config
    if not (isinstance(config, type) and issubclass(config, BaseModel)):
        raise PluginError(f"{_where(entry)} has a config that is not a pydantic model")
    for name in ("capabilities", "public", "open"):
        if not callable(getattr(plugin, name)):
            raise PluginError(f"{_where(entry)} has a {name} that is not a function")
    return plugin


def _first_line(error: BaseException) -> str:
    """``error`` as one line of limited length."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:_MAX_ERROR]}" if text else type(error).__name__


def _where(entry: EntryPoint) -> str:
    return f"sink plugin {entry.name!r} of {_distribution(entry)}"


def _distribution(entry: EntryPoint) -> str:
    if entry.dist is None:
        return "an unknown distribution"
    told = entry.dist.metadata  # read from its file each time, so only when there is an error to report
    return f"{told['Name']} {told['Version']}"
