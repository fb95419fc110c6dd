"""Faults drawn from a seed, and a complete installation on this machine to inflict them on."""
