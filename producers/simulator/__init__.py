"""Lifelike streams of events: what messages, calls and tasks go through, many at a time. Pure but for the pace."""

from producers.simulator.pace import paced
from producers.simulator.products import default_products, known_products
from producers.simulator.scenario import Scenario, simulate
from producers.simulator.scene import Scene
from producers.simulator.story import Plot, SimulatedProduct, Story, together

__all__ = [
    "Plot",
    "Scenario",
    "Scene",
    "SimulatedProduct",
    "Story",
    "default_products",
    "known_products",
    "paced",
    "simulate",
    "together",
]
