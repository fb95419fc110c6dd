"""``eventstreams orphans remove`` with several topics, of which the API refuses some."""

import json

import pytest
from click.testing import CliRunner

from control_api.commands.remote import Remote
from control_api.commands.topics import orphans
from eventstreams.client.errors import ApiError


def test_a_topic_that_is_refused_keeps_no_other_and_all_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def delete(_: Remote, path: str) -> None:
        asked.append(path.rpartition("/")[2])
        if asked[-1] in {"b", "d"}:
            raise ApiError(f"{asked[-1]} is in use", status=409)

    monkeypatch.setattr(Remote, "delete", delete)
    monkeypatch.setenv("EVENTSTREAMS_OPERATOR_TOKEN", "a-token-of-the-operator")

    done = CliRunner().invoke(orphans, ["remove", *"abcd", "--yes", "-o", "json", "--url", "http://127.0.0.1:9"])

    assert asked == [*"abcd"]
    assert json.loads(done.stdout) == [{"name": name, "removed": name in "ac"} for name in "abcd"]
    assert done.stderr == "b: b is in use\n"
    assert (done.exit_code, str(done.exception)) == (1, "d is in use")
