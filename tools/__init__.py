"""Programs that the Makefile runs: set-up, lock file, generated pages and others."""
