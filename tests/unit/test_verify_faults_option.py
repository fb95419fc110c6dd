"""``eventstreams verify --faults``: what cannot be done is said before anything is started."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from eventstreams.errors import SettingsError
from eventstreams.verify.cli import verify
from eventstreams.verify.nemesis.attack import Attack, attacked_site


def test_faults_are_inflicted_on_a_cluster_of_its_own_alone() -> None:
    done = CliRunner().invoke(verify, ["--faults", "kill"])

    assert done.exit_code == 2
    assert "--faults requires --up" in done.output


async def test_a_fault_that_there_is_not_is_told_with_all_that_there_are(tmp_path: Path) -> None:
    attack = Attack(brokers=1, faults=["kill", "earthquake"], seed=1, lasts_s=10, pause_s=(1, 2))

    with pytest.raises(SettingsError, match="no fault 'earthquake': the faults are all, kill, terminate, freeze"):
        async with attacked_site(tmp_path / "site", attack, say=lambda _: None):
            pass

    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("pause", ["soon", ""])
def test_a_pause_that_is_none_is_told(pause: str) -> None:
    done = CliRunner().invoke(verify, ["--up", "--faults", "kill", "--pause", pause])

    assert done.exit_code == 2
    assert "--pause" in done.output
