"""Writes the pages of ``docs/`` that are generated from code; ``--check`` only checks whether they are up to date."""

import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import orjson
from prometheus_client import Metric
from pydantic.fields import FieldInfo

from control_api.openapi.document import openapi_document
from control_api.operations import ALL
from eventstreams.catalog import Catalog, Schema
from eventstreams.durations import format_duration
from eventstreams.settings import PREFIX, SECRETS, Settings
from eventstreams.telemetry.metrics import Metrics
from tools import chart_readme, sink_tables
from tools.commands_page import commands_page
from tools.errors_page import errors_page
from tools.operations_page import operations_page

_DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
_LABELS: Final = "_labelnames"
_NOTE: Final = "<!-- Written by `make docs` from the code: change it there. -->"


def settings_page() -> str:
    """The page of all settings: variable, default, meaning."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_default(name, field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(
        [
            _NOTE,
            "# Settings",
            "",
            "Every process reads its settings from environment variables, once, when it starts. Durations are numbers",
            "with a unit (`200ms`, `5s`, `10m`, `4h`, `14d`). Lists are comma-separated. If a value is invalid, or a",
            "variable with this prefix is not in this list, the process exits with one sentence and exit code 2.",
            "",
            "| variable | default | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def metrics_page() -> str:
    """The page of all metrics: name, type, labels, meaning."""
    metrics = Metrics()
    rows = [
        f"| `{_exposed(family)}` | {family.type} | {_labels(metrics, family)} | {family.documentation} |"
        for family in metrics.registry.collect()
        if family.name.startswith("eventstreams_")
    ]
    return "\n".join(
        [
            _NOTE,
            "# Metrics",
            "",
            "Each process serves its metrics at `/metrics` on its admin port, in Prometheus' format. Metrics that do",
            "not apply to a role stay at zero. The usual `process_…` metrics are included.",
            "",
            "| metric | type | labels | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def event_types_page() -> str:
    """The page of all products: their schemas with versions, and the event types of each schema."""
    catalog = Catalog.load()
    lines = [
        _NOTE,
        "# Event types",
        "",
        "These are the event types that can be subscribed to, by product. The types of one schema share its versions.",
        "A subscription gets the version that it names, or else the version that was the newest when the type was",
        "added. `GET /schemas/{schema}/{version}` describes the data of each version, with an example. You can",
        "[add your own products](adding-an-event-type.md).",
        "",
        "| status | existing subscriptions still get it | can be subscribed to |",
        "|---|---|---|",
        "| available | yes | yes |",
        "| deprecated | yes, but it may stop | yes |",
        "| restricted | yes | no |",
        "| discontinued | no | no |",
    ]
    for product, title in catalog.products.items():
        lines += ["", f"## {title}"]
        for schema in (each for each in catalog.schemas.values() if each.product == product):
            types = [each for each in catalog.types.values() if each.schema_id == schema.id]
            lines += ["", f"### {schema.title}: `{schema.id}`", "", *_versions(schema), ""]
            lines += ["| event type | status | sinks | when |", "|---|---|---|---|"]
            lines += [
                f"| `{each.name}` | {'internal' if each.internal else each.status} | {', '.join(each.sinks)} "
                f"| {each.description} |"
                for each in types
            ]
    return "\n".join([*lines, ""])


def _versions(schema: Schema) -> Iterator[str]:
    yield "| version | released | changes |"
    yield "|---|---|---|"
    for version in reversed(schema.versions):
        yield f"| {version.version} | {version.released} | {version.changes} |"


def openapi_page() -> str:
    """The OpenAPI document, as served by the API."""
    return orjson.dumps(openapi_document(ALL), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "event-types.md": event_types_page,
    "openapi.json": openapi_page,
    "operations.md": operations_page,
    "errors.md": errors_page,
    "commands.md": commands_page,
}


def main() -> None:
    checking = sys.argv[1:] == ["--check"]
    wanted = [(_DOCS / name, page()) for name, page in PAGES.items()] + list(sink_tables.pages(_DOCS / "sinks"))
    wanted.append((chart_readme.CHART / "README.md", chart_readme.readme()))
    stale = [(file, text) for file, text in wanted if not file.exists() or file.read_text() != text]
    if checking and stale:
        sys.exit(f"{stale[0][0].relative_to(_DOCS.parent)} is not what the code says any more: run make docs")
    for file, text in stale:
        file.write_text(text)
        print(f"{file.relative_to(_DOCS.parent)} written")


def _default(name: str, field: FieldInfo) -> str:
    if name in SECRETS or field.default is None:
        return "-"
    shown = _shown(field.default)
    return f"`{shown}`" if shown else "-"


def _shown(value: object) -> str:
    match value:
        case timedelta():
            return format_duration(value)
        case tuple():
            return ",".join(_shown(each) for each in value)
        case _:
            return str(value)


def _exposed(family: Metric) -> str:
    ending = {"counter": "_total", "info": "_info"}.get(family.type, "")
    return f"{family.name}{ending}"


def _labels(metrics: Metrics, family: Metric) -> str:
    for each in (*vars(metrics).values(), *vars(metrics.backlogs).values(), *vars(metrics.topics).values()):
        if getattr(each, "_name", None) == family.name:
            return ", ".join(f"`{label}`" for label in _label_names(each)) or "-"
    return "-"


def _label_names(metric: object) -> Iterator[str]:
    yield from getattr(metric, _LABELS, ())


if __name__ == "__main__":
    main()
