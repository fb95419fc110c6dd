"""Secrets at rest: what opens them, and what does not."""

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from eventstreams.control.vault import Purpose, Vault, new_key
from eventstreams.errors import SettingsError
from eventstreams.settings import Settings

KEY = new_key()
VAULT = Vault(Settings.load(secret_key=KEY))
TOKEN, AC1 = Purpose.AUTH_TOKEN, "AC1"


@given(secret=st.text(), purpose=st.sampled_from(Purpose), owner=st.text())
def test_a_secret_opens_for_what_it_is_and_for_nothing_else(secret: str, purpose: Purpose, owner: str) -> None:
    locked = VAULT.lock(secret, purpose, owner)

    assert VAULT.unlock(locked, purpose, owner) == secret
    for other, somebody in [*((each, owner) for each in Purpose if each is not purpose), (purpose, f"{owner}1")]:
        assert not VAULT.is_current(locked, other, somebody)
        with pytest.raises(SettingsError, match="for a different purpose"):
            VAULT.unlock(locked, other, somebody)


@pytest.mark.parametrize("purpose", [TOKEN, Purpose.SINK_CONFIGURATION, Purpose.SINK_TEST, Purpose.ANSWER])
def test_what_an_earlier_release_stored_opens_and_is_bound_when_it_is_locked_anew(purpose: Purpose) -> None:
    old = Fernet(KEY).encrypt(b"secret").decode()

    anew = VAULT.relock(old, purpose, AC1)

    assert VAULT.unlock(old, purpose, AC1) == "secret"
    assert (VAULT.is_current(old, purpose, AC1), VAULT.is_current(anew, purpose, AC1)) == (False, True)
    with pytest.raises(SettingsError):
        VAULT.unlock(anew, purpose, "AC2")


@pytest.mark.parametrize("purpose", [Purpose.FORWARDED, Purpose.CHALLENGE, Purpose.PROOF, Purpose.PAGE])
def test_what_no_topic_holds_opens_only_where_it_is_bound(purpose: Purpose) -> None:
    with pytest.raises(SettingsError):
        VAULT.unlock(Fernet(KEY).encrypt(b"secret").decode(), purpose, "")


def test_a_secret_is_current_under_the_first_key_alone() -> None:
    first, second = new_key(), new_key()
    old = Vault(Settings.load(secret_key=second)).lock("secret", TOKEN, AC1)
    vault = Vault(Settings.load(secret_key=f"{first},{second}"))

    anew = vault.relock(old, TOKEN, AC1)

    assert (vault.is_current(old, TOKEN, AC1), vault.is_current(anew, TOKEN, AC1)) == (False, True)
    assert vault.relock(anew, TOKEN, AC1) == anew
    assert Vault(Settings.load(secret_key=first)).unlock(anew, TOKEN, AC1) == "secret"
    with pytest.raises(SettingsError, match="a different key"):
        vault.relock(Vault(Settings.load(secret_key=new_key())).lock("secret", TOKEN, AC1), TOKEN, AC1)


@pytest.mark.parametrize("text", ["", "x", "\udcff", "gAAAA"], ids=["empty", "short", "surrogate", "cut off"])
def test_what_is_no_secret_of_ours_is_refused_in_words(text: str) -> None:
    with pytest.raises(SettingsError, match="EVENTSTREAMS_SECRET_KEY"):
        VAULT.unlock(text, TOKEN, AC1)
