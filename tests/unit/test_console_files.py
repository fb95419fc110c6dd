"""The console's own files: in the wheel, named by their content, and asking nothing of anybody else."""

import re
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request
from hatchling.builders.wheel import WheelBuilder

from control_api.console.static import StaticFiles

ROOT = Path(__file__).parents[2]
CONSOLE = ROOT / "control_api" / "console"
TEMPLATES = sorted((CONSOLE / "templates").rglob("*.html"))


def test_templates_scripts_styles_and_licences_are_in_the_wheel() -> None:
    shipped = {each.distribution_path for each in WheelBuilder(str(ROOT)).recurse_included_files()}

    files = [each for each in CONSOLE.rglob("*") if each.is_file() and "__pycache__" not in each.parts]
    assert {str(each.relative_to(ROOT)) for each in files} <= shipped
    assert len(files) > 30


def test_a_file_is_found_under_the_name_of_its_content_alone() -> None:
    static = StaticFiles("/console/static/")
    path = static.path("console.css")

    found = static.answer(make_mocked_request("GET", path))

    assert re.fullmatch(r"/console/static/console\.[0-9a-f]{12}\.css", path)
    assert found is not None
    assert (found.body, found.content_type) == ((CONSOLE / "static" / "console.css").read_bytes(), "text/css")
    assert static.answer(make_mocked_request("GET", "/console/static/console.css")) is None
    assert static.answer(make_mocked_request("GET", "/console/static/../middleware.py")) is None


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: str(each.relative_to(CONSOLE / "templates")))
def test_a_template_has_no_style_no_script_and_no_address_of_its_own(template: Path) -> None:
    text = template.read_text()

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on", text)
    assert not re.search(r"<script(?! src=\"{{ static\()", text)
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', text)
    assert "|safe" not in text
    assert "autoescape" not in text


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda each: str(each.relative_to(CONSOLE / "templates")))
def test_each_form_that_is_posted_carries_its_token(template: Path) -> None:
    forms = re.findall(r"<form\b.*?</form>", template.read_text(), flags=re.DOTALL)

    assert [each for each in forms if 'method="post"' in each and "csrf()" not in each] == []


@pytest.mark.parametrize(
    "name",
    [
        "dead_letters/progress.html",
        "events/rows.html",
        "events/timeline.html",
        "overview/figures.html",
        "overview/flow.html",
        "overview/table.html",
    ],
)
def test_what_can_have_the_focus_in_a_part_that_is_exchanged_has_an_id_to_get_it_back(name: str) -> None:
    text = (CONSOLE / "templates" / name).read_text()

    places = re.findall(r"<(?:a|button|input|select|summary)\b[^>]*>|copyable\([^)]*\)", text)

    hidden = [each for each in places if 'type="hidden"' in each]
    assert [each for each in places if "id=" not in each and each not in hidden] == []
    polled = {
        str(each.relative_to(CONSOLE / "templates")) for each in TEMPLATES if 'trigger="every' in each.read_text()
    }
    assert polled == {"dead_letters/progress.html", "events/timeline.html"}  # live ones are sent by events and overview
