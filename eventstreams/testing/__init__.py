"""Support for tests of plugins and installations: a broker, receivers, and the contract that every sink must fulfil.

Plugin authors need only the names exported here; the other modules are for tests of whole installations.
"""

from eventstreams.testing.contract import SinkContract
from eventstreams.testing.contract.destination import Ability, Arrival, Destination
from eventstreams.testing.contract.events import CANARY, outbound_event

__all__ = ["CANARY", "Ability", "Arrival", "Destination", "SinkContract", "outbound_event"]
