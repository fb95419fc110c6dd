"""The settings of topics and of membership that would do harm are refused, with what would be right."""

import pytest

from eventstreams.errors import SettingsError
from eventstreams.settings import Settings


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("orphan_grace", "4m", "at least 5m"),
        ("session_timeout", "5s", "from 6s to 1m"),
        ("session_timeout", "2m", "from 6s to 1m"),
        ("most_partitions", "0", "greater than or equal to 1"),
    ],
)
def test_what_would_do_harm_is_refused(name: str, value: str, right: str) -> None:
    with pytest.raises(SettingsError, match=right):
        Settings.load(**{name: value})


def test_without_a_session_timeout_each_role_has_its_own() -> None:
    assert Settings.load().session_timeout is None
