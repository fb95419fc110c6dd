"""Dashboards, alerts and runbooks: current, complete, about metrics that there are, and tested with promtool."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from eventstreams.telemetry.metrics import Metrics
from tests.support.prometheus import DEPLOY, RULES, dashboard_queries, rules, selectors
from tools.dashboards.__main__ import FOLDER, text_of
from tools.dashboards.model import Dashboard
from tools.dashboards.pages import ALL
from tools.prometheus import find_programs

DOCS = DEPLOY.parent / "docs"
RUNBOOKS = DOCS / "runbooks"


def known() -> dict[str, set[str]]:
    """Every name under which Prometheus keeps a metric of ours, with its labels."""
    metrics = Metrics()
    found: dict[str, set[str]] = {"process_cpu_seconds_total": set()}
    for each in (*vars(metrics).values(), *vars(metrics.backlogs).values(), *vars(metrics.topics).values()):
        if not hasattr(each, "_labelnames"):
            continue
        labels = set(each._labelnames)
        kind = each._type
        names = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(kind, [""])
        for ending in names:
            found[f"{each._name}{ending}"] = labels | ({"le"} if ending == "_bucket" else set())
    return found


def expressions() -> Iterator[tuple[str, str]]:
    for dashboard, title, expr in dashboard_queries():
        yield f"{dashboard}: {title}", expr
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]


def panels(page: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in page["panels"] if each["type"] != "row"]


@pytest.mark.parametrize("dashboard", ALL, ids=lambda each: each.name)
def test_the_files_are_what_the_code_says(dashboard: Dashboard) -> None:
    assert (FOLDER / f"{dashboard.name}.json").read_bytes() == text_of(dashboard), "run make docs"


def test_each_sink_type_has_a_row_of_its_own() -> None:
    page = json.loads((FOLDER / "sink-type.json").read_text())
    [row] = [each for each in page["panels"] if "repeat" in each]
    [variable] = [each for each in page["templating"]["list"] if each["name"] == row["repeat"]]

    assert (row["type"], row["title"]) == ("row", "Attempts: $sink_type")
    assert variable["multi"]
    assert variable["includeAll"]


@pytest.mark.parametrize("dashboard", ALL, ids=lambda each: each.name)
def test_every_panel_says_what_is_normal(dashboard: Dashboard) -> None:
    for panel in dashboard.panels:
        assert panel.normal.endswith("."), panel.title
        assert len(panel.normal.split()) > 0


@pytest.mark.parametrize("dashboard", ALL, ids=lambda each: each.name)
def test_panels_lie_side_by_side_and_have_numbers_of_their_own(dashboard: Dashboard) -> None:
    page = orjson.loads(text_of(dashboard))
    taken: set[tuple[int, int]] = set()
    for panel in page["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells

    assert len({panel["id"] for panel in page["panels"]}) == len(page["panels"])
    assert len({panel["title"] for panel in panels(page)}) == len(panels(page))


def test_dashboards_and_rules_ask_for_metrics_and_labels_that_there_are() -> None:
    there = known()
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for where, expr in expressions():
        for selector in selectors(expr):
            name, _, labels = selector.partition("{")
            assert name in there or name in recorded, f"{where}: {name}"
            used = set(re.findall(r"(\w+)(?:=|!=|=~|!~)\"", labels))
            allowed = there.get(name, {"sink_type"}) | {"installation", "instance", "job", "role"}
            assert used <= allowed, f"{where}: {selector}"


def test_a_dashboard_is_of_the_installation_that_is_chosen() -> None:
    for dashboard, title, expr in dashboard_queries():
        named = re.findall(r"(?:eventstreams|process)[_:][a-z0-9_:]+|ALERTS", expr)
        chosen = re.findall(r'installation=~?"\$installation\|?"', expr)
        assert len(chosen) == len(named), f"{dashboard}: {title}"
    for shown in ALL:
        page = orjson.loads(text_of(shown))
        first = next(each for each in page["templating"]["list"] if each["type"] == "query")
        assert first["query"]["query"] == "label_values(eventstreams_ready, installation)"
        assert not first["multi"]


def test_no_rule_makes_one_of_several_installations() -> None:
    for rule in rules():
        for kept in re.findall(r"\b(?:sum|max|min|count)\b(?! by \(installation)", rule["expr"]):
            # Whether anything at all is there is asked where absent() is.
            assert "absent(" in rule["expr"], f"{rule}: {kept}"
        if "alert" in rule and "kubelet" not in rule["expr"]:
            assert rule["annotations"]["summary"].startswith("{{ with $labels.installation }}{{ . }}: {{ end }}")


def test_every_metric_is_on_a_dashboard_or_in_a_rule_or_is_left_out_for_a_reason() -> None:
    used = {selector.partition("{")[0] for _, expr in expressions() for selector in selectors(expr)}
    left_out = {
        "eventstreams_delivery_log_lag_records",  # the lag in seconds says it
        "eventstreams_delivery_log_skipped_total",  # once, after a downgrade
        "eventstreams_delivery_log_rebuilds_total",  # once, after a disk was lost
    }
    ours = {name for name in known() if name.startswith("eventstreams_") and not name.endswith(("_sum", "_count"))}

    assert ours - used == left_out


@pytest.mark.parametrize("rule", [each for each in rules() if "alert" in each], ids=lambda each: str(each["alert"]))
def test_every_alert_has_a_severity_and_a_runbook_with_commands_that_names_it(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    runbook = DEPLOY.parent / rule["annotations"]["runbook_url"]
    text = runbook.read_text()
    assert rule["alert"] in text
    assert "```sh" in text


def test_every_runbook_belongs_to_an_alert() -> None:
    linked = {Path(rule["annotations"]["runbook_url"]).name for rule in rules() if "alert" in rule}

    assert {file.name for file in RUNBOOKS.glob("*.md")} - {"README.md"} == linked


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    promtool(["check", "rules", *map(str, sorted(RULES.glob("*.yaml")))])


def test_alerts_fire_when_they_should_and_only_then() -> None:
    tests = sorted((DEPLOY / "prometheus/tests").glob("*.yaml"))

    promtool(["test", "rules", *map(str, tests)])


def promtool(arguments: list[str]) -> None:
    done = subprocess.run(
        [find_programs().promtool, *arguments], capture_output=True, text=True, timeout=230, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
