"""Realistic streams of events: the lives of messages, calls and tasks, many at a time. Pure, except for pacing."""

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
