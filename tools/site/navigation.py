"""The structure of the site: the single list of its pages. A page that is not listed fails the build."""

from collections.abc import Mapping, Sequence
from typing import Final

from sphinx.application import Sphinx

BELOW: Final[Mapping[str, Sequence[str]]] = {
    "index": [
        "Start <start>",
        "Subscribers <for-subscribers>",
        "Products <for-product-engineers>",
        "Operators <for-operators>",
        "Plugins <for-plugin-authors>",
        "Reference <reference>",
        "Guarantees <delivery-guarantees>",
        "Decisions <adr/README>",
    ],
    "start": ["concepts", "coming-from-twilio"],
    "for-subscribers": [
        "sinks/README",
        "filters",
        "console",
        "command-line",
        "python-client",
        "sink-health",
        "slow-and-failing-sinks",
        "failure-notices",
        "delivery-log",
        "dead-letters",
    ],
    "sinks/README": ["*"],
    "for-product-engineers": ["publishing", "adding-an-event-type"],
    "for-operators": [
        "deploying-with-compose",
        "deploying-with-helm",
        "kafka",
        "accounts",
        "control-plane",
        "sizing",
        "partition-budget",
        "rolling-restarts",
        "backup",
        "monitoring",
        "runbooks/README",
        "tracing",
        "doctor",
    ],
    "runbooks/README": ["*"],
    "for-plugin-authors": ["writing-a-sink", "reading-from-kafka", "architecture"],
    "reference": ["api", "operations", "errors", "commands", "settings", "metrics", "event-types", "limits"],
    "delivery-guarantees": ["verify", "faults", "proof", "threat-model", "performance"],
    "performance": ["performance-measurements"],
    "adr/README": ["[0-9]*"],
}
"""Pages of ``docs/``, without their extension, each with its subpages."""


def add_navigation(_app: Sphinx, page: str, content: list[str]) -> None:
    """Append a page's list of subpages; in the file itself it would get in the reader's way."""
    if page in BELOW:
        content[0] += "\n".join(["", "```{toctree}", ":hidden:", ":glob:", "", *BELOW[page], "```", ""])


def setup(app: Sphinx) -> Mapping[str, bool]:
    """Called by Sphinx, since this module is an extension."""
    app.connect("source-read", add_navigation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
