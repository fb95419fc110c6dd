"""A plugin that is broken, there twice or of another version stops the start, and is named with its distribution."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from eventstreams.sinks.registry import installed_sink_types
from tests.support.distribution import eventstreams, install

Run = Callable[..., "subprocess.CompletedProcess[str]"]

GOOD = """
from pydantic import BaseModel
from eventstreams.sinks import Capabilities, SinkPlugin

class Config(BaseModel):
    place: str

async def open_sink(config, context):
    raise OSError("not in this test")

def plugin(**changes):
    fields = dict(sink_type="shelf", config=Config, capabilities=lambda _: Capabilities(timeout_s=1.0),
                  public=dict, open=open_sink)
    return SinkPlugin(**{**fields, **changes})

PLUGIN = plugin()
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed distributions."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.fixture
def start(programs: Path, site: Path, tmp_path: Path) -> Run:
    """``eventstreams`` in a process of its own, with what is in ``site``."""
    return partial(eventstreams, path=site, cwd=tmp_path, program=[programs / "eventstreams"])


BROKEN: Mapping[str, tuple[str, str]] = {
    "raises": (f"{GOOD}\nraise ValueError('no\\nluck')", "cannot be loaded: ValueError: no luck"),
    "leaves": ("raise SystemExit('I would rather not')", "cannot be loaded: SystemExit: I would rather not"),
    "lacks a dependency": ("import no_such_module", "cannot be loaded: ModuleNotFoundError: No module named 'no_such"),
    "is no Python": ("def def", "cannot be loaded: SyntaxError: invalid syntax"),
    "has no such value": ("", "cannot be loaded: AttributeError: module 'shelf' has no attribute 'PLUGIN'"),
    "is something else": ("PLUGIN = 7", "is of type int, not a SinkPlugin"),
    "of another version": (
        f"{GOOD}\nPLUGIN = plugin(api_version=2)",
        "implements sink API 2, not 1: install a matching",
    ),
    "lacks a field": (f"{GOOD}\nPLUGIN = SinkPlugin(sink_type='shelf')", "cannot be loaded: TypeError"),
    "has another name": (
        f"{GOOD}\nPLUGIN = plugin(sink_type='rack')",
        "calls itself 'rack': both names must be the same",
    ),
    "has no model": (f"{GOOD}\nPLUGIN = plugin(config=dict)", "has a config that is not a pydantic model"),
    "has no function": (f"{GOOD}\nPLUGIN = plugin(public=None)", "has a public that is not a function"),
}


@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_stops_the_start_with_its_name_and_distribution(
    site: Path, start: Run, text: str, words: str
) -> None:
    install(site, "acme-shelf", modules={"shelf.py": text}, entries={"shelf": "shelf:PLUGIN"})

    ended = start("worker", "shelf")

    assert ended.returncode != 0
    [line] = ended.stderr.splitlines()
    assert line.startswith("eventstreams: sink plugin 'shelf' of acme-shelf 1.0 ")
    assert words in line


def test_a_broken_plugin_stops_the_start_of_every_worker(site: Path, start: Run) -> None:
    install(site, "acme-shelf", modules={"shelf.py": "1 / 0"}, entries={"shelf": "shelf:PLUGIN"})

    ended = start("worker", "webhook")

    assert ended.returncode != 0
    assert ended.stderr == (
        "eventstreams: sink plugin 'shelf' of acme-shelf 1.0 cannot be loaded: ZeroDivisionError: division by zero\n"
    )


def test_a_broken_plugin_stops_the_start_of_the_api(site: Path, start: Run) -> None:
    install(site, "acme-shelf", modules={"shelf.py": "1 / 0"}, entries={"shelf": "shelf:PLUGIN"})

    ended = start("api")

    assert ended.returncode != 0
    assert "eventstreams: sink plugin 'shelf' of acme-shelf 1.0 cannot be loaded" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_sink_type_of_two_distributions_stops_the_start_and_both_are_named(site: Path, start: Run) -> None:
    install(site, "acme-shelf", modules={"shelf.py": GOOD}, entries={"shelf": "shelf:PLUGIN"})
    install(site, "other-shelf", modules={"other.py": GOOD}, entries={"shelf": "other:PLUGIN"})

    ended = start("worker", "shelf")

    assert ended.returncode != 0
    [line] = ended.stderr.splitlines()
    assert "sink plugin 'shelf' of " in line
    assert "acme-shelf 1.0" in line
    assert "other-shelf 1.0" in line


def test_a_plugin_may_not_take_the_place_of_a_built_in_one(site: Path, start: Run) -> None:
    text = f"{GOOD}\nPLUGIN = plugin(sink_type='webhook')"
    install(site, "acme-webhook", modules={"shelf.py": text}, entries={"webhook": "shelf:PLUGIN"})

    ended = start("worker", "webhook")

    assert ended.returncode != 0
    [line] = ended.stderr.splitlines()
    assert "acme-webhook 1.0" in line
    assert "eventstreams 0." in line


def test_a_sink_type_that_nobody_offers_is_answered_with_those_there_are(site: Path, start: Run) -> None:
    install(site, "acme-shelf", modules={"shelf.py": GOOD}, entries={"shelf": "shelf:PLUGIN"})

    ended = start("worker", "shelff")

    assert ended.returncode != 0
    [line] = ended.stderr.splitlines()
    assert line == f"eventstreams: no sink plugin 'shelff' is installed; available: {among('shelf')}"


def test_a_worker_without_a_library_that_its_plugin_requires_says_what_to_install(site: Path, start: Run) -> None:
    text = f"{GOOD}\nPLUGIN = plugin(requires={{'no_such_library': 'acme-shelf[library]'}})"
    install(site, "acme-shelf", modules={"shelf.py": text}, entries={"shelf": "shelf:PLUGIN"})

    ended = start("worker", "shelf")
    other = start("worker", "webhook")

    assert ended.returncode != 0
    words = "sinks of type shelf need no_such_library: pip install 'acme-shelf[library]'"
    assert ended.stderr == f"eventstreams: {words}\n"
    assert "no Kafka broker answered" in other.stderr  # it does without


@pytest.mark.parametrize(
    ("sink_type", "module"), [("amqp", "aio_pika"), ("kinesis", "botocore"), ("sqs", "botocore")], ids=str
)
def test_a_type_is_known_without_the_library_of_its_extra(
    site: Path, tmp_path: Path, sink_type: str, module: str
) -> None:
    (site / "sitecustomize.py").write_text(f"import sys\nsys.modules['{module}'] = None\n")
    script = f"from eventstreams.sinks.registry import load_plugins; print(load_plugins()['{sink_type}'].requires)"

    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.stdout == f"{{'{module}': 'eventstreams[{sink_type}]'}}\n", ended.stderr


def test_a_good_plugin_gets_as_far_as_the_broker(site: Path, start: Run) -> None:
    install(site, "acme-shelf", modules={"shelf.py": GOOD}, entries={"shelf": "shelf:PLUGIN"})

    ended = start("worker", "shelf")

    assert "no Kafka broker answered" in ended.stderr
    assert "Traceback" not in ended.stderr


def among(*more: str) -> str:
    return ", ".join(sorted({*installed_sink_types(), *more}))
