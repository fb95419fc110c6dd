"""Calculates from measured figures how large an installation has to be for a given load."""
