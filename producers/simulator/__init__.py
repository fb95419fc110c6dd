"""Lifelike streams of events: what messages, calls and tasks go through, many at a time. Pure but for the pace."""

from producers.simulator.pace import paced
from producers.simulator.scenario import Product, Scenario, simulate

__all__ = ["Product", "Scenario", "paced", "simulate"]
