"""Renders the OpenAPI document as one HTML page without scripts. Pure."""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Final

from control_api.openapi.document import Json

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --get: #1769aa; --post: #2e7d32; --delete: #b3261e; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
nav ul { columns: 18rem; padding-left: 1.2rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; }
summary b { display: inline-block; min-width: 4.2rem; }
b.get { color: var(--get); } b.post { color: var(--post); } b.delete { color: var(--delete); }
code, pre { font: .9em ui-monospace, monospace; }
pre { background: var(--soft); overflow-x: auto; padding: .6rem; white-space: pre-wrap; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .5rem; text-align: left; vertical-align: top; }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(document: Json) -> str:
    """The page: all operations by group, then all objects. Every text of the document is escaped."""
    return "".join(_page(document))


def _page(document: Json) -> Iterator[str]:
    info, paths, components = _map(document["info"]), _map(document["paths"]), _map(document["components"])
    title = escape(f"{info['title']} {info['version']}")
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    yield f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style><h1>{title}</h1>'
    yield from (f"<p>{_text(each)}</p>" for each in str(info["description"]).split("\n\n"))
    yield '<p>For programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>'
    groups = [str(_map(each)["name"]) for each in _list(document["tags"])]
    yield "<nav><ul>"
    yield from (f'<li><a href="#{_anchor(each)}">{escape(each)}</a></li>' for each in groups)
    yield '<li><a href="#objects">Objects</a></li></ul></nav>'
    found = [(path, method, _map(each)) for path, item in paths.items() for method, each in _map(item).items()]
    for group in groups:
        yield f'<h2 id="{_anchor(group)}">{escape(group)}</h2>'
        for path, method, operation in found:
            if operation["tags"] == [group]:
                yield from _operation(path, method, operation, components)
    yield '<h2 id="objects">Objects</h2>'
    for name, schema in _map(components["schemas"]).items():
        yield from _object(name, _map(schema))
    yield "</html>"


def _operation(path: str, method: str, operation: Json, shared: Json) -> Iterator[str]:
    yield f'<details id="{escape(str(operation["operationId"]))}"><summary><b class="{method}">{method.upper()}</b> '
    yield f"<code>{escape(path)}</code> {escape(str(operation['summary']))}</summary>"
    yield f"<p>{_text(operation.get('description', ''))} <code>{escape(str(operation['operationId']))}</code></p>"
    listed = [_map(each) for each in _list(operation["parameters"])]
    given = [_found(each, _map(shared["parameters"])) for each in listed]
    rows = [
        (str(each["name"]), str(each["in"]), bool(each.get("required")), each, _map(each["schema"])) for each in given
    ]
    if "requestBody" in operation:
        content = _map(_map(operation["requestBody"])["content"])
        body = _map(_map(next(iter(content.values())))["schema"])
        needed = _list(body.get("required", []))
        rows += [
            (name, "form", name in needed, _map(each), _map(each)) for name, each in _map(body["properties"]).items()
        ]
    if rows:
        yield "<table><tr><th>parameter<th>in<th>value<th>meaning</tr>"
        for name, place, needed_too, said, schema in rows:
            mark = " (required)" if needed_too else ""
            yield f"<tr><td><code>{escape(name)}</code>{mark}<td>{place}<td>{_type(schema)}"
            yield f"<td>{_text(said.get('description', ''))}</tr>"
        yield "</table>"
    yield "<table><tr><th>status<th>answer</tr>"
    for status, each in _map(operation["responses"]).items():
        answer = _found(_map(each), _map(shared["responses"]))
        schemas = [_map(_map(content)["schema"]) for content in _map(answer.get("content", {})).values()]
        yield f"<tr><td>{status}<td>{_text(answer['description'])}"
        yield from (f" {_type(schema)}" for schema in schemas if int(status) < 400 and schema)  # noqa: PLR2004 - HTTP's
        yield "</tr>"
    yield "</table></details>"


def _object(name: str, schema: Json) -> Iterator[str]:
    yield f'<details id="object-{escape(name)}"><summary><code>{escape(name)}</code> '
    yield f"{_text(schema.get('description', ''))}</summary>"
    if "properties" in schema:
        yield "<table><tr><th>field<th>value<th>meaning</tr>"
        for field, each in _map(schema["properties"]).items():
            yield f"<tr><td><code>{escape(field)}</code><td>{_type(_map(each))}"
            yield f"<td>{_text(_map(each).get('description', ''))}</tr>"
        yield "</table>"
    elif "enum" in schema:
        yield f"<p>{_type(schema)}</p>"
    yield "</details>"


def _type(schema: Json) -> str:
    """The type in words, with links to objects."""
    match schema:
        case {"$ref": str(), "properties": dict(properties)}:
            return f"page: {_first(properties)}"
        case {"$ref": str(reference)}:
            name = escape(reference.rpartition("/")[2])
            return f'<a href="#object-{name}">{name}</a>'
        case {"anyOf": list(several)}:
            return " or ".join(_type(_map(each)) for each in several)
        case {"enum": list(values)}:
            return ", ".join(f"<code>{escape(str(value))}</code>" for value in values)
        case {"const": value}:
            return f"<code>{escape(str(value))}</code>" if value else "empty"
        case {"type": "array", "items": dict(items)}:
            return f"list of {_type(items)}"
        case {"properties": dict(properties)} if "meta" in properties:
            return f"page: {_first(properties)}"
        case _:
            words = [str(schema.get("format") or schema.get("type") or "any")]
            bounds = ("minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength", "default", "pattern")
            words += [f"{name} {schema[name]}" for name in bounds if name in schema]
            return escape(", ".join(words))


def _found(item: Json, shared: Json) -> Json:
    """``item`` with its reference resolved."""
    return _map(shared[str(item["$ref"]).rpartition("/")[2]]) if "$ref" in item else item


def _first(properties: Json) -> str:
    name, schema = next(iter(properties.items()))
    return f"<code>{escape(name)}</code>, {_type(_map(schema))}"


def _text(value: object) -> str:
    """``value`` escaped, with what is in backticks as code."""
    parts = escape(str(value)).split("`")
    return "".join(f"<code>{each}</code>" if index % 2 else each for index, each in enumerate(parts))


def _anchor(group: str) -> str:
    return escape(group.lower().replace(" ", "-"))


def _map(value: object) -> Json:
    assert isinstance(value, Mapping)
    return dict(value)


def _list(value: object) -> Sequence[object]:
    assert isinstance(value, list)
    return value
