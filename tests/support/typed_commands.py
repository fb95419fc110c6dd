"""Checks commands that the documentation tells readers to type: `eventstreams …`, or curl to the API."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from control_api.http.declared import Listed, Listed2010, Operation
from control_api.operations import ALL
from eventstreams.cli.main import eventstreams
from tests.support.shell import SUBSTITUTED

ROOT: Final = Path(__file__).parents[2]
_OPEN: Final = re.compile(rf"[…$]|{SUBSTITUTED}")
"""A value that the reader or the shell fills in."""
_CONVERTED: Final = (click.Choice, click.types.IntParamType, click.types.FloatParamType, click.types.BoolParamType)
_PATHS: Final = re.compile(r"/(?:v1|operator/v1|2010-04-01|schemas|docs|openapi\.json)(?:[/?]|$)")
_ADMIN: Final = re.compile(r"\$ADMIN/(livez|readyz|metrics)")
_NOT_OURS: Final = re.compile(r"\$PROMETHEUS/|https?://(?!127\.0\.0\.1|localhost)(?!.*/v1/)")
_WITH_VALUE: Final = {"-u", "-H", "-X", "-d", "--data-urlencode", "--data", "-o", "--cacert", "--max-time"}
_DATA: Final = {"-d", "--data", "--data-urlencode"}
_PAGING: Final = {"PageSize", "Page", "PageToken"}


def problems_of(words: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the command ``words``; nothing if it runs another program."""
    program = words[0].rpartition("/")[2]
    if program == "eventstreams":
        yield from _of_ours(words[1:])
    elif program == "curl":
        yield from _of_curl(words[1:])
    elif program == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        yield from (f"make: there is no target {each}" for each in words[1:] if "=" not in each and each not in targets)


def _of_ours(arguments: Sequence[str]) -> Iterator[str]:
    command: click.Command = eventstreams
    context = click.Context(command, info_name="eventstreams")
    try:
        while isinstance(command, click.Group):
            command.parse_args(context, list(arguments))
            [name, *arguments] = [*context._protected_args, *context.args]
            found = command.get_command(context, name)
            if found is None:
                yield f"{context.command_path}: there is no command {name!r}"
                return
            command, context = found, click.Context(found, info_name=name, parent=context)
        given, rest, _ = command.make_parser(context).parse_args(list(arguments))
    except click.exceptions.Exit:
        return  # it asks for help
    except click.exceptions.NoArgsIsHelpError:
        yield f"{context.command_path}: a command is missing"
    except click.UsageError as error:
        yield f"{context.command_path}: {error.format_message()}"
    else:
        yield from (f"{context.command_path}: takes no {each!r}" for each in rest)
        yield from _of_values(context, given)


def _of_values(context: click.Context, given: Mapping[str, object]) -> Iterator[str]:
    for each in context.command.params:
        value = given.get(str(each.name))
        if each.value_is_missing(value) or value is None:
            if each.required and not each.envvar:  # else the reader's environment may have it
                yield f"{context.command_path}: {each.human_readable_name} is missing"
        elif isinstance(each.type, _CONVERTED) and isinstance(value, str) and not _OPEN.search(value):
            try:
                each.type.convert(value, each, context)
            except click.BadParameter as error:
                yield f"{context.command_path}: {error.format_message()}"


def _of_curl(arguments: Sequence[str]) -> Iterator[str]:
    options, urls = _curl(arguments)
    if len(urls) != 1:
        yield f"curl: has {len(urls)} addresses"
        return
    data = [value for name, value in options if name in _DATA]
    asked, data = (data, []) if "-G" in arguments else ([], data)
    method = next((value for name, value in options if name == "-X"), "POST" if data else "GET")
    path, _, query = urls[0].partition("?")
    is_the_gateway = method == "POST" and path.endswith("/v1/Events")
    if is_the_gateway or _ADMIN.fullmatch(path) or _NOT_OURS.match(path):
        return
    operation = _operation(method, _path(path))
    if operation is None:
        yield f"curl: there is no operation {method} {_path(path)}"
        return
    lists = _PAGING if isinstance(operation.answer, Listed | Listed2010) else set()
    known = {each.name for each in operation.query} | lists
    yield from (
        f"curl: {operation.name} has no parameter {each}" for each in _names([*query.split("&"), *asked]) - known
    )
    if not any(name == "-H" and "json" in value for name, value in options):
        fields = {each.name for each in operation.form}
        yield from (f"curl: {operation.name} has no field {each}" for each in _names(data) - fields)


def _curl(arguments: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return options with their values, and URLs."""
    options: list[tuple[str, str]] = []
    urls: list[str] = []
    left = iter(arguments)
    for each in left:
        if each in _WITH_VALUE:
            options.append((each, next(left, "")))
        elif not each.startswith("-"):
            urls.append(each)
    return options, urls


def _path(url: str) -> str:
    """``$api`` is the API with or without ``/v1``, as the page has it."""
    bare = re.sub(r"^\$\{?\w+\}?", "", url) if url.startswith("$") else urlsplit(url).path
    return bare if _PATHS.match(bare) else f"/v1{bare}"


def _operation(method: str, path: str) -> Operation | None:
    for each in ALL:
        if each.method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", each.path), path):
            return each
    return None


def _names(pairs: Sequence[str]) -> set[str]:
    return {each.partition("=")[0] for each in pairs if each and not each.startswith(("@", "…", "{"))}
