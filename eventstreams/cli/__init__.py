"""The command line: its groups and help texts, profiles, and the commands that belong to no other package."""
