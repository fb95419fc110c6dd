"""Writes a module of typed event classes for each product of a catalogue."""
