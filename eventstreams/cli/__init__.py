"""The command line: its groups and texts, profiles, and the commands that belong to no other part."""
