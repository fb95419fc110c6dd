"""A configuration checked by a plugin whose model is not as it should be."""

import json
import subprocess
import sys
from typing import Final

import pytest
from pydantic import BaseModel, ConfigDict

from control_api.sinks.checks import checked_configuration
from eventstreams.http import RefusedError
from eventstreams.sinks import Capabilities, Sink, SinkPlugin

PASSWORD: Final = "the-password-of-a-subscriber"
PROGRAM: Final = f"""
from pydantic import BaseModel, field_validator
from control_api.sinks.checks import checked_configuration
from eventstreams.http import RefusedError
from eventstreams.settings import Settings
from eventstreams.sinks import Capabilities, SinkPlugin
from eventstreams.telemetry.logging import configure_logging

class Config(BaseModel):
    password: str

    @field_validator("password")
    @classmethod
    def _look_up(cls, password: str) -> str:
        return {{}}[password]

plugin = SinkPlugin(
    sink_type="shelf", config=Config, capabilities=lambda _: Capabilities(timeout_s=1), public=lambda _: {{}}, open=None
)
configure_logging(Settings.load(log_format="json"), role="api")
try:
    checked_configuration({{"password": {PASSWORD!r}}}, plugin, "created")
except RefusedError as error:
    print(int(error.code), error.status, str(error))
"""


def test_a_model_that_raises_refuses_in_words_and_the_log_says_which_and_where_without_what_was_given() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    code, status, words = ran.stdout.strip().split(" ", 2)
    assert (code, status) == ("91000", "400")
    assert words.startswith("Sink not created: the plugin for shelf sinks failed on SinkConfiguration (KeyError), so ")
    [line] = [json.loads(each) for each in ran.stderr.splitlines()]
    assert (line["event"], line["level"], line["sink_type"]) == ("plugin.raised", "error", "shelf")
    assert "_look_up" in json.dumps(line)
    assert "KeyError" in json.dumps(line)
    assert PASSWORD not in ran.stdout + ran.stderr


class Shelf(BaseModel):
    model_config = ConfigDict(extra="forbid")

    place: str
    board: int = 1


class Room(BaseModel):
    shelf: Shelf


async def _open(*_: object) -> Sink:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("model", "given", "words"),
    [
        (Shelf, {"palce": "left"}, "SinkConfiguration palce: unknown key: did you mean place?"),
        (Shelf, {"place": "left", "colour": "x"}, "SinkConfiguration colour: unknown key: there are place, board"),
        (Shelf, {"board": 2}, "SinkConfiguration place: Field required"),
        (Room, {"shelf": {"palce": "left"}}, "SinkConfiguration shelf.palce: unknown key"),
    ],
    ids=["misspelt", "unknown", "missing", "inside"],
)
def test_a_misspelt_key_is_named_rather_than_the_one_that_is_missing_because_of_it(
    model: type[BaseModel], given: dict[str, object], words: str
) -> None:
    plugin = SinkPlugin(sink_type="shelf", config=model, capabilities=lambda _: Capabilities(timeout_s=1), open=_open)

    with pytest.raises(RefusedError) as refusal:
        checked_configuration(given, plugin, "created")

    assert str(refusal.value) == f"Sink not created: {words}"
