"""How long a router believes that its token for Kafka lives."""

import pytest

from router.faust_app.credentials import _life_s


@pytest.mark.parametrize(
    ("expires_in", "life_s"), [(300, 300.0), ("300", 300.0), (-5, 0.0), (1e12, 86_400.0), ("inf", 86_400.0)]
)
def test_a_token_lives_as_long_as_its_server_says_but_not_for_ever(expires_in: str | float, life_s: float) -> None:
    assert _life_s(expires_in) == life_s


@pytest.mark.parametrize("expires_in", ["nan", float("nan"), "soon"])
def test_a_life_that_is_no_number_is_refused(expires_in: str | float) -> None:
    with pytest.raises(ValueError, match=r"number|convert"):
        _life_s(expires_in)
