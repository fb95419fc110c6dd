"""The dashboards."""

from collections.abc import Sequence
from typing import Final

from tools.dashboards.model import Dashboard
from tools.dashboards.pages.delivery import OVERVIEW, SINK_TYPE, SUBSCRIPTION
from tools.dashboards.pages.platform import HTTP, KAFKA, ROUTER
from tools.dashboards.pages.retries import RETRIES

ALL: Final[Sequence[Dashboard]] = (OVERVIEW, SINK_TYPE, SUBSCRIPTION, ROUTER, RETRIES, KAFKA, HTTP)
