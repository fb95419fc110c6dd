"""What the parts that every event passes cost on this machine: ``make bench``."""
