"""The elements of dashboards, and their JSON for Grafana 10 and newer. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Json = dict[str, object]
Kind = Literal["timeseries", "stat", "bargauge", "table", "text"]

OF_INSTALLATION: Final = 'installation="$installation"'
"""Selects one installation, as one Prometheus may monitor several. If series have no such label, the variable is empty,
which matches too."""
ALERTS_OF_IT: Final = (
    'ALERTS{alertname=~"EventStreams.*", alertstate="firing", severity="page", installation=~"$installation|"}'
)
"""Firing alerts that page, including those without an installation, such as a full disk."""
_SOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH: Final = 24
_HEIGHTS: Final[Mapping[Kind, int]] = {"timeseries": 8, "stat": 4, "bargauge": 8, "table": 8, "text": 8}
_SCHEMA_VERSION: Final = 39  # of Grafana 10.4; later versions migrate it when they load it


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression, and the legend of its series."""

    expr: str
    legend: str = "__auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        normal: A sentence about what is normal, which Grafana shows beside the title.
        width: In units of which a line has 24.
        bounds: The values from which on it is orange and red; if the first is larger, lower values are worse.
        text: Markdown, for a text panel.
    """

    title: str
    normal: str
    queries: Sequence[Query] = ()
    unit: str = "short"
    kind: Kind = "timeseries"
    width: int = 8
    stack: bool = False
    bounds: tuple[float, float] | None = None
    text: str = ""

    def json(self, number: int, *, x: int, y: int) -> Json:
        is_series = self.kind == "timeseries"
        custom: Json = {"fillOpacity": 10, "showPoints": "never", "lineWidth": 1, "spanNulls": True}
        if self.stack:
            custom |= {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 40}
        found: Json = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.normal,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": _HEIGHTS[self.kind]},
        }
        if self.kind == "text":
            return found | {"options": {"mode": "markdown", "content": self.text}}
        return found | {
            "datasource": _SOURCE,
            "targets": [
                {
                    "refId": chr(ord("A") + index),
                    "datasource": _SOURCE,
                    "expr": query.expr,
                    "legendFormat": query.legend,
                    "range": is_series,
                    "instant": not is_series,
                    **({"format": "table"} if self.kind == "table" else {}),
                }
                for index, query in enumerate(self.queries)
            ],
            "fieldConfig": {
                "defaults": {
                    "unit": self.unit,
                    "min": 0,
                    "thresholds": {"mode": "absolute", "steps": self._steps()},
                    **({"custom": custom} if is_series else {}),
                },
                "overrides": [],
            },
            "options": self._options(),
        }

    def _steps(self) -> list[Json]:
        if self.bounds is None:
            return [{"color": "green", "value": None}]
        orange, red = self.bounds
        if orange <= red:
            steps = (("green", None), ("orange", orange), ("red", red))
        else:
            steps = (("red", None), ("orange", red), ("green", orange))
        return [{"color": color, "value": value} for color, value in steps]

    def _options(self) -> Json:
        reduce: Json = {"calcs": ["lastNotNull"], "fields": "", "values": False}
        match self.kind:
            case "timeseries":
                return {
                    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
                    "tooltip": {"mode": "multi", "sort": "desc"},
                }
            case "stat":
                return {"reduceOptions": reduce, "colorMode": "value", "graphMode": "none", "textMode": "auto"}
            case "bargauge":
                return {"reduceOptions": reduce, "orientation": "horizontal", "displayMode": "basic"}
            case "table":
                return {"showHeader": True, "cellHeight": "sm"}
            case "text":
                return {}


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading, in lines of 24 units. ``for_each``: a variable; Grafana shows the row for each value."""

    title: str
    panels: Sequence[Panel]
    for_each: str = ""


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice above the panels, among the values of the label ``of`` in the series of ``metric``."""

    name: str
    label: str
    metric: str
    of: str
    many: bool = False

    def json(self) -> Json:
        return {
            "type": "query",
            "name": self.name,
            "label": self.label,
            "datasource": _SOURCE,
            "query": {"query": f"label_values({self.metric}, {self.of})", "refId": self.name},
            "definition": f"label_values({self.metric}, {self.of})",
            "refresh": 2,
            "sort": 1,
            "multi": self.many,
            "includeAll": self.many,
        }


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard. ``name`` is used for its file and for its URL in Grafana."""

    name: str
    title: str
    about: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = ()

    @property
    def panels(self) -> Iterator[Panel]:
        for row in self.rows:
            yield from row.panels

    def json(self) -> Json:
        return {
            "uid": f"eventstreams-{self.name}",
            "title": f"Event Streams / {self.title}",
            "description": self.about,
            "tags": ["eventstreams"],
            "schemaVersion": _SCHEMA_VERSION,
            "editable": False,
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "timezone": "browser",
            "graphTooltip": 1,
            "links": [
                {
                    "type": "dashboards",
                    "title": "Event Streams",
                    "icon": "external link",
                    "tooltip": "",
                    "targetBlank": False,
                    "tags": ["eventstreams"],
                    "asDropdown": True,
                    "includeVars": True,
                    "keepTime": True,
                }
            ],
            "annotations": {"list": [_ALERTS]},
            "templating": {"list": [_DATASOURCE, _INSTALLATION.json(), *(each.json() for each in self.variables)]},
            "panels": list(self._placed()),
        }

    def _placed(self) -> Iterator[Json]:
        number, y = 1, 0
        for row in self.rows:
            yield {
                "id": number,
                "type": "row",
                "title": f"{row.title}: ${row.for_each}" if row.for_each else row.title,
                "collapsed": False,
                "panels": [],
                **({"repeat": row.for_each} if row.for_each else {}),
                "gridPos": {"x": 0, "y": y, "w": _WIDTH, "h": 1},
            }
            number, y, x, height = number + 1, y + 1, 0, 0
            for panel in row.panels:
                if x + panel.width > _WIDTH:
                    x, y, height = 0, y + height, 0
                yield panel.json(number, x=x, y=y)
                number, x, height = number + 1, x + panel.width, max(height, _HEIGHTS[panel.kind])
            y += height


_INSTALLATION: Final = Variable("installation", "Installation", "eventstreams_ready", "installation")
_DATASOURCE: Final[Json] = {
    "type": "datasource",
    "name": "datasource",
    "label": "Prometheus",
    "query": "prometheus",
    "refresh": 1,
}
_ALERTS: Final[Json] = {
    "name": "Alerts",
    "datasource": _SOURCE,
    "enable": True,
    "iconColor": "red",
    "expr": ALERTS_OF_IT,
    "titleFormat": "{{alertname}}",
    "step": "60s",
}
