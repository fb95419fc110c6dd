"""What tests of plugins and installations need: a broker, receivers, and the contract that every sink keeps.

Authors of plugins need what is named here; the modules beside it are for tests of whole installations.
"""

from eventstreams.testing.contract import SinkContract
from eventstreams.testing.contract.destination import Ability, Arrival, Destination
from eventstreams.testing.contract.events import CANARY, outbound_event

__all__ = ["CANARY", "Ability", "Arrival", "Destination", "SinkContract", "outbound_event"]
