"""Named profiles of the command line: whom they ask as, and who may read the file."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from control_api.commands.profiles import profiles
from control_api.commands.remote import Remote
from eventstreams.cli.main import eventstreams
from eventstreams.cli.profiles import LOCAL_API, Profile, ProfileFile, chosen_profile
from eventstreams.errors import SettingsError
from eventstreams.settings import Settings
from eventstreams.sids import SidKind, new_sid

ACCOUNT, KEY = "AC" + "a" * 32, "SK" + "b" * 32
STAGING = Profile(url="https://staging.example.com", account_sid=ACCOUNT, token=SecretStr("the-token"))
LIVE = Profile(url="https://example.com", account_sid=ACCOUNT, key_sid=KEY, token=SecretStr("secret = 100% [x]"))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProfileFile:
    for name in ("PUBLIC_URL", "ACCOUNT_SID", "AUTH_TOKEN", "OPERATOR_TOKEN", "PROFILE"):
        monkeypatch.delenv(f"EVENTSTREAMS_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return ProfileFile.of_user()


def test_what_was_put_is_read_back_and_only_its_owner_may_read_it(file: ProfileFile) -> None:
    file.put("staging", STAGING)
    file.put("live", LIVE)

    assert [file.get(name) for name in file.names] == [STAGING, LIVE]
    assert file.default == "staging"
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert file.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_named_profile_wins_over_variables_and_they_over_the_default(file: ProfileFile) -> None:
    file.put("staging", STAGING)
    file.put("live", LIVE)
    other, token = new_sid(SidKind.ACCOUNT), SecretStr("another-token")

    assert chosen_profile(Settings.load()) == STAGING
    assert chosen_profile(Settings.load(account_sid=other, auth_token=token)) == Profile(account_sid=other, token=token)
    assert chosen_profile(Settings.load(account_sid=other, auth_token=token, profile="live")) == LIVE
    file.remove("staging")
    assert chosen_profile(Settings.load()) == Profile(url=LOCAL_API)


@pytest.mark.parametrize(("profile", "user"), [("staging", ACCOUNT), ("live", KEY)])
async def test_the_api_is_asked_with_the_key_or_the_token_of_the_profile(
    file: ProfileFile, profile: str, user: str
) -> None:
    file.put("staging", STAGING)
    file.put("live", LIVE)

    found = file.get(profile)
    assert found.credentials(as_operator=False) == (user, found.token and found.token.get_secret_value())
    assert (found.auth_token is None) == (profile == "live")
    assert Remote(Settings.load(profile=profile), None).account_sid == ACCOUNT


@pytest.mark.parametrize(
    ("profile", "as_operator", "says"),
    [
        (None, False, "set EVENTSTREAMS_ACCOUNT_SID and EVENTSTREAMS_AUTH_TOKEN .*: eventstreams profiles add NAME"),
        (None, True, "set EVENTSTREAMS_OPERATOR_TOKEN .*: eventstreams profiles add NAME"),
        ("staging", True, "profile 'staging' has no operator's token: eventstreams profiles add staging"),
        ("lvie", False, "no profile 'lvie': there are staging"),
        ("profiles", False, "no profile 'profiles'"),
    ],
)
async def test_who_asks_as_nobody_is_told_what_to_set(
    file: ProfileFile, profile: str | None, *, as_operator: bool, says: str
) -> None:
    if profile is not None:
        file.put("staging", STAGING)

    with pytest.raises(SettingsError, match=says):
        Remote(Settings.load(profile=profile), None, as_operator=as_operator)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a]\nurl = ftp://x", "url is 'ftp://x': it must be a URL such as https://"),
        ("[a]\naccount_sid = SK1", "account_sid is 'SK1': it must be AC and 32"),
        ("[a]\nkey_sid = AC1", "key_sid is 'AC1': it must be SK and 32"),
        ("[a]\ntokne = hush", "tokne is not a key of a profile: the keys are url, account_sid"),
        ("hush", "line 1, is not an INI file"),
        ("[a]\n[a]", "line 2, is not an INI file"),
        ("\x80", "cannot be read"),
    ],
)
def test_a_file_that_is_wrong_is_told_without_a_secret(file: ProfileFile, text: str, says: str) -> None:
    file.path.parent.mkdir()
    file.path.touch(mode=0o600)
    file.path.write_bytes(text.encode("latin-1"))

    with pytest.raises(SettingsError, match=says) as raised:
        file.get("a")
    assert "hush" not in str(raised.value)


def test_a_file_that_others_may_read_is_refused(file: ProfileFile) -> None:
    file.put("staging", STAGING)
    file.path.chmod(0o640)

    with pytest.raises(SettingsError, match="can be read by users other than its owner: chmod 600 "):
        file.get("staging")


@pytest.mark.parametrize("name", ["", "profiles", "a b", "a]", "-a", "x" * 65, "DEFAULT", "a\n"])
def test_a_name_that_is_none_is_refused(file: ProfileFile, name: str) -> None:
    with pytest.raises(SettingsError, match="is not a valid profile name"):
        file.put(name, STAGING)
    assert not file.path.exists()


def test_from_a_terminal(file: ProfileFile) -> None:
    def run(*arguments: str, tokens: str = "") -> str:
        done = CliRunner().invoke(profiles, arguments, input=tokens, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    run("add", "live", "--url", LIVE.url, "--account", ACCOUNT, "--key", KEY, tokens="the-secret\n")
    run("add", "staging", "--account", ACCOUNT, "--operator", tokens="the-token\nthe-operators\n")
    run("add", "staging", "--url", "https://staging.example.com")
    run("use", "staging")

    staging = file.get("staging")
    assert staging == Profile(
        url="https://staging.example.com",
        account_sid=ACCOUNT,
        token=SecretStr("the-token"),
        operator_token=SecretStr("the-operators"),
    )
    listed = run("list") + run("list", "-o", "json")
    assert ACCOUNT in listed
    assert not any(secret in listed for secret in ("the-secret", "the-token", "the-operators"))
    run("remove", "staging")
    assert (file.names, file.default) == (["live"], None)


def test_a_secret_that_nobody_gives_is_asked_for_in_words(file: ProfileFile) -> None:
    done = CliRunner().invoke(profiles, ["add", "a", "--account", ACCOUNT], input="")

    assert done.exit_code == 2
    assert "the auth token of the account must be typed, or given as a line on standard input" in done.output


def test_the_option_before_a_command_names_one(file: ProfileFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTSTREAMS_PROFILE", "another")  # put back at the end, with what the option sets
    file.put("staging", STAGING)

    with pytest.raises(SettingsError, match="profile 'staging' has no operator's token"):
        CliRunner().invoke(eventstreams, ["--profile", "staging", "accounts", "list"], catch_exceptions=False)
