"""Checks whether an installation can do its work: examines everything, changes nothing, says what to fix."""
