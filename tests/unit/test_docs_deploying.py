"""Values, environments and files for Compose as pages show them: what takes them takes them."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from jsonschema import Draft7Validator

from eventstreams.settings import PREFIX, Settings
from tests.support.chart import EVERYTHING, LEAST, of_kind, render
from tests.support.page import Block
from tests.support.snippet_kinds import CHECKED_AS, ROOT
from tests.support.snippets import blocks
from tests.unit.test_deploy_files import BASE, COMPOSE, SCHEMA

KUBERNETES: Final = "1.33"
OTHERS: Final = {"PodMonitor", "PrometheusRule"}
# docs/deploying-with-helm.md, docs/rolling-restarts.md, docs/tracing.md
VALUES: Final = [each for each in blocks() if each.noted(CHECKED_AS) == "values of the chart"]


def shown(page: str, words: str) -> Any:
    """The one YAML block of ``page`` with ``words`` in it."""
    [found] = [
        each.text for each in blocks() if each.page == ROOT / page and each.language == "yaml" and words in each.text
    ]
    return yaml.safe_load(found)


@pytest.mark.parametrize("block", VALUES, ids=lambda block: f"{block.page.stem}:{block.line}")
def test_what_the_chart_makes_of_a_page_s_values_is_valid_and_what_they_ask_for(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(block.text.replace("{…}", "{}"))

    made = render(LEAST, file)

    for each in made:
        if each["kind"] not in OTHERS:
            kubernetes_validate.validate(each, KUBERNETES, strict=True)
    told = json.dumps(made)
    assert [word for word in leaves(yaml.safe_load(file.read_text())) if json.dumps(word)[1:-1] not in told] == []
    assert made != render(LEAST)


def leaves(values: object) -> list[str]:
    """Every text in ``values``: each stands somewhere in what is made of them."""
    if isinstance(values, Mapping):
        return [leaf for each in values.values() for leaf in leaves(each)]
    if isinstance(values, list):
        return [leaf for each in values for leaf in leaves(each)]
    return [values] if isinstance(values, str) else []


def test_the_environment_that_docs_rolling_restarts_md_shows_is_one_of_a_container_and_of_a_role() -> None:
    deployment = of_kind(render(LEAST), "Deployment")["rel-eventstreams-router"]
    pod = json.loads(json.dumps(deployment["spec"]["template"]))
    env = shown("docs/rolling-restarts.md", "fieldPath")["env"]
    pod["spec"]["containers"][0]["env"] = env

    kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", **pod}, KUBERNETES, strict=True)
    given = {each["name"].removeprefix(PREFIX).lower(): each.get("value", "router-0") for each in env}
    settings = Settings.load(**given)
    assert (settings.instance, settings.session_timeout) == ("router-0", timedelta(seconds=45))


def test_the_trigger_that_docs_monitoring_md_shows_is_that_of_the_chart_for_one_release() -> None:
    [mine] = of_kind(render(EVERYTHING), "ScaledObject")["es-worker-webhook"]["spec"]["triggers"]
    [trigger] = shown("docs/monitoring.md", "triggers:")["triggers"]

    ours, theirs = dict(mine["metadata"]), dict(trigger["metadata"])
    assert {**mine, "metadata": {}} == {**trigger, "metadata": {}}
    assert theirs.pop("query").removesuffix("})") in ours.pop("query")
    assert ours.pop("serverAddress").startswith("http://prometheus")
    assert theirs.pop("serverAddress").startswith("http://prometheus")
    assert ours == theirs


def test_the_routers_with_names_that_docs_rolling_restarts_md_shows_fit_compose() -> None:
    overlay = shown("docs/rolling-restarts.md", "router-1")

    assert list(Draft7Validator(json.loads(SCHEMA.read_text())).iter_errors(overlay)) == []
    unnamed, *named = overlay["services"].items()
    assert unnamed == ("router", {"deploy": {"replicas": 0}})
    looked_for = yaml.safe_load((COMPOSE / "prometheus.yml").read_text())["scrape_configs"][1]["dns_sd_configs"]
    for name, service in named:
        assert service["extends"] == {"file": "compose.yaml", "service": "router"}
        assert service["environment"][f"{PREFIX}INSTANCE"] == name
        assert service["networks"]["default"]["aliases"] == ["router"]
    assert "router" in looked_for[0]["names"]
    assert BASE["services"]["router"]["command"] == ["router"]
