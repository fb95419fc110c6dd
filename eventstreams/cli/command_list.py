"""The commands as ``eventstreams --help`` and shells list them: grouped by purpose, without loading any."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

Section = Mapping[str, str]  # by a command's name, what it is for, in one line of a terminal

SECTIONS: Final[Mapping[str, Section]] = MappingProxyType(
    {
        "Try it on this machine": {
            "up": "Run the whole system, Kafka included",
            "listen": "Take webhooks, show each event, answer as you say",
            "simulate": "Publish a lifelike stream of events",
        },
        "Subscribe to events": {
            "types": "List event types, or show one with its versions",
            "sinks": "Make, test, pause and delete sinks: where events go",
            "subscriptions": "Make, change and delete subscriptions: which go there",
            "sample": "Send one event of a type to a sink",
        },
        "See where events are": {
            "tail": "Show attempts as they are made",
            "events": "Show where an event is, with every attempt",
            "dead-letters": "List, look at and redrive dead letters",
            "redrive": "Short for dead-letters redrive",
            "archive": "List, export and replay what S3 sinks have written",
        },
        "Publish events": {
            "publish": "Publish CloudEvents from a file",
            "catalog": "Check the catalogue of event types; register schemas",
            "generate-producers": "Write typed Python producers for a catalogue",
        },
        "Accounts and access": {
            "accounts": "Make, suspend and close accounts",
            "keys": "Make, list and revoke API keys",
            "profiles": "Keep installations and credentials under names",
            "audit": "Show who changed what",
        },
        "Run an installation": {
            "api": "Run the control API and the console",
            "gateway": "Run the gateway that takes events over HTTP",
            "router": "Run a router: a copy of each event for each subscription",
            "worker": "Run a worker for one type of sink",
        },
        "Look after an installation": {
            "doctor": "Look at settings, plugins and Kafka; say what to mend",
            "health": "Ask the role beside this command whether it is well",
            "smoke": "Publish events and wait until they are delivered",
            "verify": "Prove that no event is lost, with faults if you like",
            "sizing": "Say how many brokers and processes a load needs",
            "topics": "Create the topics that are not there",
            "orphans": "Find topics without a subscription, and remove them",
            "control": "Export and import accounts, sinks and subscriptions",
            "new-key": "Make a key that encrypts secrets",
            "rotate-secrets": "Encrypt all secrets with the newest key",
        },
        "This program": {
            "completion": "Let your shell complete commands and options",
            "fetch-kafka": "Fetch the Kafka that `eventstreams up` runs",
        },
    }
)
SUMMARIES: Final[Section] = MappingProxyType({name: said for each in SECTIONS.values() for name, said in each.items()})
