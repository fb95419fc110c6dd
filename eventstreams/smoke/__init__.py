"""Tests from outside whether an installation works: subscribes, publishes, receives, cleans up."""
