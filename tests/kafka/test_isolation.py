"""An account never sees, counts or guesses what is another's: every operation of the API, each with a case here."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from control_api.guards import PREFIXES
from eventstreams.settings import Settings
from tests.support.api import Api, serving
from tests.support.dead_letters import add_dead_letters
from tests.support.installation import DELIVERED, SENT, TOKEN, Installation
from tests.support.operator import Asker, with_operator
from tests.support.routes import routes

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="module")]
HOOK = '{"destination": "https://hooks.example.com/a"}'
PUBLIC = {
    ("GET", path) for path in ("/schemas/{id}/{version}", "/openapi.json", "/docs", "/livez", "/readyz", "/replica")
}


@dataclass(frozen=True)
class Case:
    """How a stranger asks for one operation.

    Attributes:
        names: What stands in the path, by its name there: which of the victim's things.
        fields: What is sent besides; values in braces are the victim's things as well.
        own: The operation makes or tells something of the stranger's own, so that its answers differ.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    own: bool = False
    shared: bool = False
    """What it names is everybody's."""


def of(**names: str) -> Case:
    return Case(names)


SINK, SUBSCRIPTION, KEY = of(sid="sink"), of(sid="subscription"), of(sid="key")
CASES: dict[tuple[str, str], Case] = {
    ("POST", "/v1/Sinks"): Case(
        fields={"Description": "d", "SinkType": "webhook", "SinkConfiguration": HOOK}, own=True
    ),
    ("GET", "/v1/Sinks"): Case(),
    ("GET", "/v1/Sinks/{sid}"): SINK,
    ("DELETE", "/v1/Sinks/{sid}"): SINK,
    ("GET", "/v1/Sinks/{sid}/Delivery"): SINK,
    ("POST", "/v1/Sinks/{sid}/Delivery"): Case({"sid": "sink"}, {"Paused": "true"}),
    ("POST", "/v1/Sinks/{sid}/Samples"): Case({"sid": "sink"}, {"Type": SENT}),
    ("GET", "/v1/Sinks/{sid}/Configuration"): SINK,
    ("POST", "/v1/Sinks/{sid}/Configuration"): Case({"sid": "sink"}, {"SinkConfiguration": HOOK}),
    ("GET", "/v1/Sinks/{sid}/SigningSecret"): SINK,
    ("POST", "/v1/Sinks/{sid}/SigningSecret"): SINK,
    ("POST", "/v1/Sinks/{sid}"): Case({"sid": "sink"}, {"Description": "mine"}),
    ("POST", "/v1/Sinks/{sid}/Test"): SINK,
    ("POST", "/v1/Sinks/{sid}/Validate"): Case({"sid": "sink"}, {"TestId": "x"}),
    ("POST", "/v1/Sinks/{sid}/Probe"): SINK,
    ("GET", "/v1/Sinks/{sid}/Health"): SINK,
    ("POST", "/v1/Subscriptions"): Case(
        fields={
            "Description": "d",
            "SinkSid": "{sink}",
            "Types": '{"type": "com.twilio.messaging.message.sent"}',
        }
    ),
    ("GET", "/v1/Subscriptions"): Case(fields={"SinkSid": "{sink}"}),
    ("GET", "/v1/Subscriptions/{sid}"): SUBSCRIPTION,
    ("DELETE", "/v1/Subscriptions/{sid}"): SUBSCRIPTION,
    ("GET", "/v1/Subscriptions/{sid}/Delivery"): SUBSCRIPTION,
    ("POST", "/v1/Subscriptions/{sid}/Delivery"): Case({"sid": "subscription"}, {"Paused": "true"}),
    ("POST", "/v1/Subscriptions/{sid}"): Case({"sid": "subscription"}, {"Description": "mine"}),
    ("GET", "/v1/Subscriptions/{sid}/RetrySchedule"): SUBSCRIPTION,
    ("GET", "/v1/Subscriptions/{sid}/SubscribedEvents"): SUBSCRIPTION,
    ("POST", "/v1/Subscriptions/{sid}/SubscribedEvents"): Case({"sid": "subscription"}, {"Type": DELIVERED}),
    ("GET", "/v1/Subscriptions/{sid}/SubscribedEvents/{type}"): of(sid="subscription", type=SENT),
    ("POST", "/v1/Subscriptions/{sid}/SubscribedEvents/{type}"): Case(
        {"sid": "subscription", "type": SENT}, {"SchemaVersion": "1"}
    ),
    ("DELETE", "/v1/Subscriptions/{sid}/SubscribedEvents/{type}"): of(sid="subscription", type=SENT),
    ("POST", "/v1/FilterPreviews"): Case(fields={"Filter": "true", "SubscriptionSid": "{subscription}"}),
    ("GET", "/v1/Types"): Case(),
    ("GET", "/v1/Types/{type}"): Case({"type": SENT}, shared=True),
    ("GET", "/v1/Schemas/{id}"): Case({"id": "Messaging.MessageStatus"}, shared=True),
    ("GET", "/v1/Schemas/{id}/Versions"): Case({"id": "Messaging.MessageStatus"}, shared=True),
    ("GET", "/v1/Schemas/{id}/Versions/{version}"): Case(
        {"id": "Messaging.MessageStatus", "version": "1"}, shared=True
    ),
    ("GET", "/v1/DeadLetters"): Case(fields={"SubscriptionSid": "{subscription}"}),
    ("GET", "/v1/DeadLetters/{id}"): of(id="letter"),
    ("POST", "/v1/Redrives/Preview"): Case(fields={"SubscriptionSid": "{subscription}"}),
    ("POST", "/v1/Redrives"): Case(fields={"Type": "com.twilio.messaging.message.sent", "Rate": "1"}, own=True),
    ("GET", "/v1/Redrives"): Case(own=True),
    ("GET", "/v1/Redrives/{sid}"): of(sid="redrive"),
    ("POST", "/v1/Redrives/{sid}"): Case({"sid": "redrive"}, {"Status": "cancelling"}),
    ("POST", "/v1/Replays/Preview"): Case(
        fields={"SubscriptionSid": "{subscription}", "After": "2026-03-29T04:00:00Z"}
    ),
    ("POST", "/v1/Replays"): Case(fields={"SubscriptionSid": "{subscription}", "After": "2026-03-29T04:00:00Z"}),
    ("GET", "/v1/Replays"): Case(own=True),
    ("GET", "/v1/Replays/{sid}"): of(sid="replay"),
    ("POST", "/v1/Replays/{sid}"): Case({"sid": "replay"}, {"Status": "cancelling"}),
    ("GET", "/v1/Events"): Case(),
    ("GET", "/v1/Events/{id}/CloudEvent"): of(id="event"),
    ("GET", "/v1/Flow"): Case(own=True),
    ("GET", "/v1/Backlog"): Case(),
    ("GET", "/v1/Attempts"): Case(fields={"SubscriptionSid": "{subscription}"}),
    ("GET", "/v1/Events/{id}"): of(id="event"),
    ("POST", "/v1/Keys"): Case(fields={"FriendlyName": "k"}, own=True),
    ("GET", "/v1/Keys"): Case(own=True),
    ("GET", "/v1/Keys/{sid}"): KEY,
    ("POST", "/v1/Keys/{sid}"): Case({"sid": "key"}, {"FriendlyName": "mine"}),
    ("DELETE", "/v1/Keys/{sid}"): KEY,
    ("POST", "/v1/AuthTokens/Secondary"): Case(own=True),
    ("GET", "/v1/AuthTokens/Secondary"): Case(own=True),
    ("DELETE", "/v1/AuthTokens/Secondary"): Case(own=True),
    ("POST", "/v1/AuthTokens/Promote"): Case(own=True),
    ("GET", "/v1/AuditEvents"): Case(fields={"ActorSid": "{account}"}),
    ("POST", "/2010-04-01/Accounts.json"): Case(fields={"FriendlyName": "mine"}, own=True),
    ("GET", "/2010-04-01/Accounts.json"): Case(own=True),
    ("GET", "/2010-04-01/Accounts/{account_sid}.json"): of(account_sid="account"),
    ("POST", "/2010-04-01/Accounts/{account_sid}.json"): Case({"account_sid": "subaccount"}, {"Status": "closed"}),
    ("POST", "/2010-04-01/Accounts/{account_sid}/Keys.json"): of(account_sid="account"),
    ("GET", "/2010-04-01/Accounts/{account_sid}/Keys.json"): of(account_sid="subaccount"),
    ("GET", "/2010-04-01/Accounts/{account_sid}/Keys/{sid}.json"): of(account_sid="account", sid="key"),
    ("POST", "/2010-04-01/Accounts/{account_sid}/Keys/{sid}.json"): of(account_sid="account", sid="key"),
    ("DELETE", "/2010-04-01/Accounts/{account_sid}/Keys/{sid}.json"): of(account_sid="account", sid="key"),
}


OPERATIONS = routes()
OF_ACCOUNTS = {each for each in OPERATIONS if each[1].startswith(PREFIXES)}
OF_THE_OPERATOR = {each for each in OPERATIONS if each[1].startswith("/operator/")}


async def test_every_operation_has_a_case_or_is_the_operators_or_public() -> None:
    assert set(CASES) == OF_ACCOUNTS
    assert OPERATIONS - OF_ACCOUNTS - OF_THE_OPERATOR == PUBLIC


@dataclass
class World:
    """A victim that has one thing of each kind, and a stranger who knows all their names."""

    api: Api
    victim_sid: str
    names: dict[str, str]
    stranger: Asker
    stranger_sid: str

    def state(self) -> object:
        """All that the victim has."""
        snapshot = self.api.installation.feed.snapshot
        mine = {self.victim_sid, self.names["subaccount"]}
        return [
            {sid: each for sid, each in snapshot.accounts.items() if sid in mine},
            *(
                {sid: each for sid, each in found.items() if each.account_sid in mine}
                for found in (snapshot.keys, snapshot.sinks, snapshot.subscriptions)
            ),
        ]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(module_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    log = str(tmp_path_factory.mktemp("log") / "log.db")
    given = {**module_settings.model_dump(), "delivery_log": log, "api_rate_limit": 0}
    settings = with_operator(Settings.load(**given))
    async with Installation(settings) as installation:
        await installation.admin.ensure(installation.topics.worker_specs("webhook"))
        async with serving(settings) as url:
            api, victim = Api(installation, url), Asker(url, installation.account_sid, TOKEN)
            victim_sid = installation.account_sid
            names = await furnish(api, victim)
            await installation.new_account()
            await victim.made("/v1/Keys")  # once this is answered, the API knows of the stranger
            key = await Asker(url, installation.account_sid, TOKEN).made("/v1/Keys")
            stranger = Asker(url, key["sid"], key["secret"])  # its token changes while it tries things out
            await installation.feed.catch_up()  # else the first test sees the victim's last things come
            yield World(api, victim_sid, names, stranger, installation.account_sid)


async def furnish(api: Api, victim: Asker) -> dict[str, str]:
    """One thing of each kind."""
    installation = api.installation
    sink = await victim.made("/v1/Sinks", Description="secret plan", SinkType="webhook", SinkConfiguration=HOOK)
    made = await victim.made(
        "/v1/Subscriptions",
        Description="secret plan",
        SinkSid=sink["sid"],
        Types='{"type": "com.twilio.messaging.message.sent"}',
    )
    await installation.feed.catch_up()
    subscription = installation.feed.snapshot.subscriptions[made["sid"]]
    await add_dead_letters(installation, subscription, [1])
    await installation.publish([installation.event(77)])
    letters = await victim.all("/v1/DeadLetters", "dead_letters")
    key = await victim.made("/v1/Keys", FriendlyName="secret plan")
    subaccount = await victim.made("/2010-04-01/Accounts.json", FriendlyName="secret plan")
    redrive = await victim.made("/v1/Redrives", SubscriptionSid=made["sid"])
    replay = await victim.made("/v1/Replays", SubscriptionSid=made["sid"], After="2026-03-29T04:00:00Z")
    return {
        "account": installation.account_sid,
        "sink": sink["sid"],
        "subscription": made["sid"],
        "letter": letters[0]["id"],
        "event": "EZ77",
        "key": key["sid"],
        "subaccount": subaccount["sid"],
        "redrive": redrive["sid"],
        "replay": replay["sid"],
    }


def nothing_of(names: Mapping[str, str]) -> dict[str, str]:
    """Names of the same form that nothing has."""
    made = {name: f"{each[:2]}{number:032x}" for number, (name, each) in enumerate(names.items())}
    return {**made, "letter": "webhook.0.999999", "event": "EZ99"}


def spoken(text: str, names: Mapping[str, str]) -> str:
    for name, each in names.items():
        text = text.replace(each, f"<{name}>")
    return text


@pytest.mark.parametrize(("method", "path"), sorted(CASES), ids=" ".join)
async def test_what_is_anothers_is_to_a_stranger_as_what_is_not_there(world: World, method: str, path: str) -> None:
    case, before = CASES[method, path], world.state()

    told = await ask(world, method, path, case, world.names)
    of_nothing = await ask(world, method, path, case, nothing_of(world.names))

    await world.api.installation.feed.catch_up()
    assert world.state() == before
    for secret in ("secret plan", world.victim_sid, *world.names.values()):
        assert secret not in spoken(told, world.names if case.names or case.fields else {})
    if not case.own:
        assert spoken(told, world.names) == spoken(of_nothing, nothing_of(world.names))
    if case.names and not case.shared:
        assert told.startswith("404 ")


async def ask(world: World, method: str, path: str, case: Case, names: Mapping[str, str]) -> str:
    """Status and body of the stranger's request."""
    filled = re.sub(r"{(\w+)}", lambda found: names.get(case.names[found[1]], case.names[found[1]]), path)
    fields = {name: names.get(value[1:-1], value) for name, value in case.fields.items()}
    status, told = await world.stranger.ask(method, filled, **fields)
    # How far the delivery log has read changes from one moment to the next, whoever asks.
    until = re.findall(r"'read_until': '([^']+)'", str(told))
    words = re.sub(r"'(records|seconds)': [\d.]+", "", f"{status} {told}")
    return words.replace(until[0], "then") if until else words


@pytest.mark.parametrize(("method", "path"), sorted(OF_THE_OPERATOR), ids=" ".join)
async def test_no_account_gets_into_the_operators_api(world: World, method: str, path: str) -> None:
    filled = path.replace("{account_sid}", world.victim_sid).replace("{sid}", world.names["key"])
    before = world.state()

    status, told = await world.stranger.ask(method, filled)

    assert status in {401, 429}  # after ten wrong ones
    assert "secret plan" not in str(told)
    assert world.state() == before


@pytest.mark.parametrize(
    ("path", "key"), [("/v1/Sinks", "sinks"), ("/v1/Keys", "keys"), ("/v1/DeadLetters", "dead_letters")]
)
async def test_an_owner_has_no_part_in_what_its_subaccount_has_and_neither_the_other_way(
    world: World, path: str, key: str
) -> None:
    owner = Asker(world.api.url, world.victim_sid, TOKEN)
    made = await owner.made(f"/2010-04-01/Accounts/{world.names['subaccount']}/Keys.json")
    subaccount = Asker(world.api.url, made["sid"], made["secret"])

    of_the_owner = {each.get("sid", each.get("id")) for each in await owner.all(path, key)}
    of_the_subaccount = {each.get("sid", each.get("id")) for each in await subaccount.all(path, key)}

    assert of_the_owner
    assert not of_the_owner & of_the_subaccount
