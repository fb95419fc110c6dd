"""The commands as ``eventstreams --help`` and shells list them: grouped by purpose, without loading any."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

Section = Mapping[str, str]  # by a command's name, what it is for, in one line of a terminal

SECTIONS: Final[Mapping[str, Section]] = MappingProxyType(
    {
        "Try it on this machine": {
            "up": "Run the whole system, Kafka included",
            "listen": "Receive webhooks, show each event, answer as told",
            "simulate": "Publish a realistic stream of events",
        },
        "Subscribe to events": {
            "types": "List event types, or show one with its versions",
            "sinks": "Create, test, pause and delete sinks: where events go",
            "subscriptions": "Create, change and delete subscriptions: which go there",
            "sample": "Send one event of a type to a sink",
        },
        "See where events are": {
            "tail": "Show attempts as they are made",
            "events": "Show where an event is; replay events of a time",
            "dead-letters": "List, inspect and redrive dead letters",
            "redrive": "Short for dead-letters redrive",
            "archive": "List, export and replay what S3 sinks have written",
        },
        "Publish events": {
            "publish": "Publish CloudEvents from a file",
            "catalog": "Check the catalogue of event types; register schemas",
            "generate-producers": "Generate typed Python producers for a catalogue",
        },
        "Accounts and access": {
            "accounts": "Create, suspend and close accounts",
            "keys": "Create, list and revoke API keys",
            "profiles": "Store installations and credentials as profiles",
            "audit": "Show who changed what",
        },
        "Run an installation": {
            "api": "Run the control API and the console",
            "gateway": "Run the gateway that accepts events over HTTP",
            "router": "Run a router, which copies events to subscriptions",
            "worker": "Run a worker for one sink type",
        },
        "Maintain an installation": {
            "doctor": "Check settings, plugins and Kafka; say what to fix",
            "health": "Check the health of the role running next to it",
            "smoke": "Publish events and wait until they are delivered",
            "verify": "Verify that no event is lost, with faults if desired",
            "sizing": "Estimate how many brokers and processes a load needs",
            "topics": "Create missing topics",
            "orphans": "Find and remove topics without a subscription",
            "control": "Export and import accounts, sinks and subscriptions",
            "new-key": "Generate a key for encrypting secrets",
            "rotate-secrets": "Re-encrypt all secrets with the newest key",
        },
        "This program": {
            "completion": "Print the shell completion script",
            "fetch-kafka": "Fetch the Kafka that `eventstreams up` runs",
        },
    }
)
SUMMARIES: Final[Section] = MappingProxyType({name: said for each in SECTIONS.values() for name, said in each.items()})
