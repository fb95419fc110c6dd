"""What the Makefile runs: set-up, lock file, generated pages."""
