"""Faults drawn from a seed, and a whole installation on this machine to inflict them on."""
