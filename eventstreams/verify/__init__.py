"""Verifies that an installation does not lose, invent, alter or hold back events: publishes, receives, judges each."""
